#!/usr/bin/env python3
"""Trains one of the shipped language models; resumable, seeded.

    python train.py --model target --work build/train --steps 5000
    python train.py --model draft  --work build/train --steps 3000
    python train.py --model draft  --work build/train --steps 9000 --teacher target   # distillation
    python train.py --model mixtral --work build/train --steps 1000000 --minutes 33 --processor-time --threads 1

Matrices inside the layers are trained by Muon (Jordan 2024), embeddings, norms and routers by AdamW. The rate is
warmup, stable, decay (to zero over the last `--decay` steps), so a run may be cut or lengthened: stop it
and start it again with another `--steps`. On a machine shared with others `--minutes` sets the schedule by time
instead, and with `--processor-time` by the time that this process had a processor for. A checkpoint is written every
`--save-seconds` and at the end; the run continues from it (SIGTERM writes one too). The order of the text depends on
the seed and the step alone.

Of a mixture of experts the checkpoint also says how evenly the held-out text used its experts: for every layer the
smallest and the largest share of the assignments, as multiples of an equal share. Mixtral's balance is a loss,
`router_aux_loss_coef` times as large as the text's; DeepSeek's is a bias, which after each step moves by `--bias-rate`
(times the rate's factor) against its expert's load. Their passes are not compiled: rows by expert differ every time.

With `--teacher` the loss is the KL divergence from the teacher's distribution, at temperature 1, and the
cross-entropy of its first choice (what a greedy draft must hit), on corpus windows and on text which the
teacher wrote (`continuations.py`), half each once that file exists. A draft which
starts with a teacher starts from the teacher's embeddings, projected on their main directions.
"""
import argparse
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from experts import balance_loss, routers, update_biases
from model import Llama
from muon import Muon
from shapes import MIXTURES, SHAPES


def windows(stream, step, options):
    """The batch of a step, [batch, sequence + 1]: places in the stream drawn from (seed, step)."""
    random = np.random.default_rng((options.seed, step))
    count = options.batch
    starts = random.integers(0, len(stream) - options.sequence - 1, count)
    return torch.from_numpy(np.stack([stream[s:s + options.sequence + 1] for s in starts]).astype(np.int64))


def scale_at(step, spent, options):
    """The rate's factor: warmup, stable, then linear to zero by steps or, with --minutes, by time spent."""
    warm = min(1.0, (step + 1) / options.warmup)
    if options.minutes:
        return warm * max(0.0, min(1.0, (options.minutes * 60 - spent) / (options.decay_minutes * 60)))
    return warm * min(1.0, (options.steps - step) / max(1, options.decay))


@torch.no_grad()
def held_out_loss(model, stream, sequence=256, limit=64):
    """Mean nats a token over consecutive windows, each token once."""
    total, count = 0.0, 0
    for start in range(0, min(len(stream) - 1, limit * sequence), 16 * sequence):
        rows = [stream[s:s + sequence + 1] for s in range(start, min(start + 16 * sequence, len(stream) - sequence - 1),
                                                          sequence)]
        if not rows:
            break
        ids = torch.from_numpy(np.stack(rows).astype(np.int64))
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids[:, :-1])
        total += F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="sum").item()
        count += ids[:, 1:].numel()
    return total / count


@torch.no_grad()
def expert_use(model, stream, sequence=256, rows=32):
    """By layer with experts: the smallest and the largest load on held-out text, in multiples of an equal share."""
    ids = torch.from_numpy(np.stack([stream[i * sequence:(i + 1) * sequence] for i in range(rows)]).astype(np.int64))
    model(ids)
    loads = [router.load.float() / router.load.float().mean() for router in routers(model)]
    return [(float(load.min()), float(load.max())) for load in loads]


def load(path, shape):
    model = Llama(SHAPES[shape])
    model.load_state_dict(torch.load(path, weights_only=True)["model"])
    return model.eval()


def save(path, state):
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", choices=SHAPES, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/train"))
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--decay", type=int, default=1500, help="steps of decay at the end")
    parser.add_argument("--minutes", type=float, help="end when this much time was spent, all runs together")
    parser.add_argument("--decay-minutes", type=float, default=20, help="minutes of decay at the end")
    parser.add_argument("--processor-time", action="store_true", help="minutes are this process's processor time")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sequence", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.02, help="Muon's rate")
    parser.add_argument("--adam-rate", type=float, default=0.004)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-seconds", type=float, default=180)
    parser.add_argument("--bias-rate", type=float, default=0.005)
    parser.add_argument("--teacher", choices=SHAPES)
    parser.add_argument("--hard", type=float, default=0.5, help="weight of the teacher's first choice, beside KL")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    work = options.work

    train = np.fromfile(work / "train.bin", dtype=np.uint16)
    heldout = np.fromfile(work / "heldout.bin", dtype=np.uint16)
    model = Llama(SHAPES[options.model])
    inside = {n: p.ndim == 2 and n.startswith("layers") and not n.endswith(".gate.weight")
              for n, p in model.named_parameters()}
    matrices = [p for n, p in model.named_parameters() if inside[n]]
    others = [p for n, p in model.named_parameters() if not inside[n]]
    muon = Muon(matrices)
    adam = torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0, fused=True)

    path = work / f"{options.model}.pt"
    step = tokens = 0
    seconds = 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        muon.buffers = state["muon"]
        step, tokens, seconds = state["step"], state["tokens"], state["seconds"]
    teacher = load(work / f"{options.teacher}.pt", options.teacher) if options.teacher else None
    if teacher and not path.exists():  # start from the teacher's embeddings, in their main directions
        left, values, _ = torch.linalg.svd(teacher.embed_tokens.weight.detach(), full_matrices=False)
        size = SHAPES[options.model].hidden_size
        model.embed_tokens.weight.data.copy_((left * values)[:, :size])
        print(f"embeddings from {options.teacher}: "
              f"{(values[:size].square().sum() / values.square().sum()).item():.3f} of their variance", flush=True)
    print(f"{options.model}: {sum(p.numel() for p in model.parameters())} parameters, from step {step} "
          f"of {options.steps}", flush=True)

    written = None
    if teacher and (work / "continuations.bin").exists():
        written = np.fromfile(work / "continuations.bin", dtype=np.uint16)

    balance = getattr(model.configuration, "router_aux_loss_coef", 0.0)

    def loss_of(ids, reference):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids[:, :-1]).flatten(0, 1)
        if reference is None:
            loss = F.cross_entropy(logits, ids[:, 1:].flatten())
            return loss + balance * balance_loss(model) if balance else loss
        own = F.log_softmax(logits.float(), -1)
        divergence = F.kl_div(own, reference, log_target=True, reduction="batchmean")
        return divergence + options.hard * F.nll_loss(own, reference.argmax(-1))

    @torch.no_grad()
    def reference_of(ids):
        with torch.autocast("cpu", torch.bfloat16):
            return F.log_softmax(teacher(ids[:, :-1]).flatten(0, 1).float(), -1)

    compiled = loss_of if options.model in MIXTURES else torch.compile(loss_of)
    compiled_reference = torch.compile(reference_of)

    def checkpoint():
        save(path, {"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.buffers, "step": step,
                    "tokens": tokens, "seconds": seconds + clock() - began})
        model.eval()
        use = "".join(f" {least:.2f}-{most:.2f}" for least, most in expert_use(model, heldout)) \
            if options.model in MIXTURES else ""
        print(f"step {step} saved, {tokens} tokens, {seconds + clock() - began:.0f} s, held-out "
              f"{held_out_loss(model, heldout):.4f}{use and ', experts used' + use}", flush=True)
        model.train()

    stopping = []  # SIGTERM: finish the step, write the checkpoint, leave
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    clock = time.process_time if options.processor_time else time.monotonic
    began, saved = clock(), time.monotonic()
    logged = saved
    if step == 0:
        checkpoint()
    average, since, scale = None, 0, 1.0
    while step < options.steps and scale > 0 and not stopping:
        source = written if written is not None and step % 2 else train
        ids = windows(source, step, options)
        loss = compiled(ids, compiled_reference(ids) if teacher else None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        spent = seconds + clock() - began
        scale = scale_at(step, spent, options)
        muon.step(options.rate * scale, options.weight_decay)
        for group in adam.param_groups:
            group["lr"] = options.adam_rate * scale
        adam.step()
        update_biases(model, options.bias_rate * scale)
        model.zero_grad(set_to_none=True)
        step, tokens, since = step + 1, tokens + ids[:, 1:].numel(), since + ids[:, 1:].numel()
        value = loss.item()
        if not math.isfinite(value):
            raise SystemExit(f"step {step}: the loss is {value}; lower --rate and resume")
        average = value if average is None else 0.98 * average + 0.02 * value
        now = time.monotonic()
        if now - logged > 20:
            print(f"step {step} loss {average:.4f} rate {scale:.3f} {since / (now - logged):.0f} tokens/s", flush=True)
            logged, since = now, 0
        if now - saved > options.save_seconds:
            checkpoint()
            saved = time.monotonic()
    checkpoint()


if __name__ == "__main__":
    main()
