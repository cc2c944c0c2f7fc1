#!/usr/bin/env python3
"""Trains the text encoder and the U-Net together on the autoencoder's latents.

    python train.py --work build/pictures --minutes 30

The U-Net predicts the velocity (Salimans and Ho 2022) at noise levels of Stable Diffusion's schedule, drawn evenly
over the batch; a share of the captions is empty, for guidance. Here captions say all there is to say, so that a
guidance of 7.5 would be far too much. With `--strength` below one the net therefore aims, where it is given a caption,
only that share of the way from what the average of its weights says without one to the velocity: so captions count as
weakly as they do for nets that were trained on captions from the web, and guidance does the rest.

What is sampled and shipped is the moving average of the weights. Every few minutes it draws held-out captions, reads
the pictures and says how many are right.
"""
import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from transformers import CLIPTokenizer

from common import Clock, Optimizer, as_tensor, make_text_encoder, make_unet, pool, rate, save
from pictures import caption, scenes
from sample import agreement, make_scheduler, pipeline, table

BATCH, DROPPED = 32, 0.2
STRENGTH = 0.32  # of a caption: a guidance of 7.5 becomes one of 2.4
RATE, MUON_RATE, DECAY_FROM = 2e-3, 0.02, 0.5
AVERAGE = 0.998
POOLS = ((11, 12000),)  # (seed, pictures)
WORDINGS = [(False, False), (False, True), (True, False), (True, True)]  # (reverse, long form)
WORDING_SHARES = [0.375, 0.375, 0.125, 0.125]


@torch.no_grad()
def data(work, vae, tokenizer):
    """(latents' means and deviations [pictures, 4, 8, 8], scaled; ids [pictures, wordings, 77])."""
    path = work / "latents.pt"
    if not path.exists():
        means, deviations, ids = [], [], []
        for seed, count in POOLS:
            chosen, pictures = pool(work, count, seed)
            for start in range(0, count, 50):
                posterior = vae.encode(as_tensor(pictures[start:start + 50])).latent_dist
                means.append(posterior.mean * vae.config.scaling_factor)
                deviations.append(posterior.std * vae.config.scaling_factor)
            for scene in chosen:
                texts = [caption(scene, *wording) for wording in WORDINGS]
                ids.append(torch.tensor(tokenizer(texts, padding="max_length").input_ids, dtype=torch.int16))
        save(path, lambda file: torch.save((torch.cat(means), torch.cat(deviations), torch.stack(ids)), file))
    return torch.load(path, weights_only=True)


class Sample:
    """Held-out scenes with their noise, for watching."""

    def __init__(self, work, vae, tokenizer):
        self.work, self.vae, self.tokenizer = work, vae, tokenizer
        self.scenes = scenes(np.random.default_rng(5), 36, held_out=True)
        self.noise = torch.randn(36, 4, 8, 8, generator=torch.Generator().manual_seed(5))

    def look(self, text_encoder, unet, name):
        pipe = pipeline(self.vae, text_encoder, self.tokenizer, unet)
        pictures = pipe([caption(scene) for scene in self.scenes], latents=self.noise, num_inference_steps=25,
                        guidance_scale=7.5, output_type="np", height=64, width=64).images
        pictures = np.round(pictures * 255).astype(np.uint8)
        Image.fromarray(np.concatenate([np.concatenate(list(pictures[i:i + 12]), 1) for i in (0, 12, 24)])).save(
            self.work / f"{name}.png")
        print("held-out captions:", table(agreement(self.scenes, pictures)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30, help="of processor time")
    parser.add_argument("--strength", type=float, default=STRENGTH, help="of a caption")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    work = options.work
    vae = AutoencoderKL.from_pretrained(work / "vae").eval()
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    means, deviations, ids = data(work, vae, tokenizer)

    text_encoder = make_text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id).train()
    unet = make_unet().to(memory_format=torch.channels_last).train()
    both = torch.nn.ModuleDict({"text_encoder": text_encoder, "unet": unet})
    average = copy.deepcopy(both).eval()
    optimizer = Optimizer(both, RATE, MUON_RATE)
    step, spent, path = 0, 0.0, work / "diffusion.pt"
    if path.exists():
        state = torch.load(path, weights_only=True)
        both.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    print(f"{sum(p.numel() for p in unet.parameters()):,} and "
          f"{sum(p.numel() for p in text_encoder.parameters()):,} parameters, from step {step}, {spent:.1f} minutes",
          flush=True)

    scheduler = make_scheduler()
    kept = scheduler.alphas_cumprod.sqrt()
    noised = (1 - scheduler.alphas_cumprod).sqrt()
    empty = torch.tensor(tokenizer("", padding="max_length").input_ids)
    sample = Sample(work, vae, tokenizer)
    clock, saved, looked, mean = Clock(options.minutes, spent), time.time(), time.time(), None
    while clock.share < 1:
        random = np.random.default_rng((options.seed, step))
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
        index = torch.from_numpy(random.integers(0, len(means), BATCH))
        wording = torch.from_numpy(random.choice(len(WORDINGS), BATCH, p=WORDING_SHARES))
        texts = ids[index, wording].long()
        dropped = torch.from_numpy(random.random(BATCH) < DROPPED)
        texts[dropped] = empty
        timesteps = torch.from_numpy((np.arange(BATCH) + random.random(BATCH)) * 1000 / BATCH).long()
        shape = (BATCH, *means.shape[1:])
        clean = means[index] + deviations[index] * torch.randn(shape, generator=generator)
        noise = torch.randn(shape, generator=generator)
        a, b = kept[timesteps, None, None, None], noised[timesteps, None, None, None]
        x = (a * clean + b * noise).contiguous(memory_format=torch.channels_last)
        embeddings = text_encoder(texts).last_hidden_state
        found = unet(x, timesteps, embeddings).sample
        wanted, weights = a * noise - b * clean, torch.ones(BATCH)
        if options.strength < 1:
            with torch.no_grad():
                blank = average["text_encoder"](empty[None]).last_hidden_state
                blank = average["unet"](x, timesteps, blank.expand(BATCH, -1, -1)).sample
            share = torch.where(dropped, 1.0, options.strength)
            wanted, weights = blank + share[:, None, None, None] * (wanted - blank), 1 / share
        loss = ((found - wanted).square().mean((1, 2, 3)) * weights).mean()
        loss.backward()
        optimizer.step(rate(clock, step, 100, DECAY_FROM))
        step += 1
        with torch.no_grad():
            share = min(AVERAGE, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(average.parameters()), list(both.parameters()), 1 - share)
        mean = loss.item() if mean is None else 0.99 * mean + 0.01 * loss.item()
        if not math.isfinite(mean):
            raise SystemExit(f"step {step}: the loss is {mean}")
        if step % 50 == 0:
            print(f"step {step} minutes {clock.spent:.2f} loss {mean:.4f}", flush=True)
        now = time.time()
        if now - saved > 60 or clock.share >= 1:
            saved = now
            save(path, lambda file: torch.save({
                "model": both.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
                "step": step, "spent": clock.spent}, file))
        if now - looked > 480 or clock.share >= 1:
            looked = now
            sample.look(average["text_encoder"], average["unet"], f"step-{step}")


if __name__ == "__main__":
    main()
