#!/usr/bin/env python3
"""Trains the vision transformer on scikit-learn's digits; one core, seeded.

    python train.py --work build/digits

Matrices of the layers are trained by Muon, the rest by AdamW; the rate rises over the first steps and then falls
linearly to zero. For the first part of the steps each image shows a random quarter of its patches (timm's
`patch_drop_rate`), which makes a step four times as cheap and is a regulariser; then all of them. Nothing is merged
in training. With `--minutes` the schedule goes by time as soon as it is ahead of the steps.
"""
import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from data import changed, enlarged_ink, split
from vit import create, waves


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/digits"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="at most so long")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--warmup", type=int, default=40, help="steps")
    parser.add_argument("--patch-drop", type=float, default=0.75)
    parser.add_argument("--whole-from", type=float, default=0.85, help="the share of the schedule with dropped patches")
    parser.add_argument("--smoothing", type=float, default=0.05, help="of labels")
    parser.add_argument("--start", type=Path, help="begin with the weights that another run wrote")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.work.mkdir(parents=True, exist_ok=True)

    ink, labels, train, _ = split()
    ink, labels = enlarged_ink(ink[train]), torch.from_numpy(labels[train])
    model = create(patch_drop_rate=options.patch_drop).train()
    before = {"steps": 0, "images": 0, "seconds": 0, "core_seconds": 0}
    if options.start:
        before = torch.load(options.start, weights_only=True)
        model.load_state_dict(before["model"])
    else:  # positions start as waves: from noise the network would first have to find out which patches are neighbours
        with torch.no_grad():
            model.pos_embed[0, 1:] = 0.5 * waves(model.patch_embed.grid_size[0], model.embed_dim)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("blocks")]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or not n.startswith("blocks")]
    optimizers = [
        torch.optim.Muon(
            matrices, lr=options.rate, weight_decay=options.weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=options.rate * 0.8, betas=(0.9, 0.98), weight_decay=0.0)]
    schedules = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(train)} training images", flush=True)

    generator = torch.Generator().manual_seed(options.seed)
    order = torch.randperm(len(train), generator=generator)
    step = position = 0
    average, correct, began, logged = None, None, time.monotonic(), time.monotonic()
    while True:
        progress = max(step / options.steps, (time.monotonic() - began) / 60 / options.minutes)
        if progress >= 1:
            break
        for group, rate in schedules:
            group["lr"] = rate * min(1, (step + 1) / options.warmup) * (1 - progress)
        if progress >= options.whole_from and model.patch_drop.prob:
            model.patch_drop.prob = 0.0
            print(f"step {step}: all patches from here", flush=True)
        if position + options.batch > len(order):
            order, position = torch.randperm(len(train), generator=generator), 0
        chosen = order[position:position + options.batch]
        position += options.batch
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(changed(ink[chosen], generator)).float()
        loss = F.cross_entropy(logits, labels[chosen], label_smoothing=options.smoothing)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        if not math.isfinite(loss.item()):
            raise SystemExit(f"step {step}: the loss is {loss.item()}; lower --rate")
        right = (logits.argmax(-1) == labels[chosen]).float().mean().item()
        average = loss.item() if average is None else 0.95 * average + 0.05 * loss.item()
        correct = right if correct is None else 0.95 * correct + 0.05 * right
        if time.monotonic() - logged > 20:
            logged = time.monotonic()
            print(f"step {step} loss {average:.4f} training accuracy {correct:.3f} after {logged - began:.0f} s, "
                  f"{time.process_time():.0f} s of a core", flush=True)
    torch.save({
        "model": model.state_dict(), "steps": before["steps"] + step,
        "images": before["images"] + step * options.batch, "seconds": before["seconds"] + time.monotonic() - began,
        "core_seconds": before["core_seconds"] + time.process_time()}, options.work / "vit.pt")
    print(f"{step} steps in {time.monotonic() - began:.0f} s, {time.process_time():.0f} s of a core", flush=True)


if __name__ == "__main__":
    main()
