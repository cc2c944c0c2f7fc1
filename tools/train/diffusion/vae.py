#!/usr/bin/env python3
"""Trains the autoencoder on crops of pictures; prints how well whole ones come back.

    python vae.py --work build/pictures --minutes 12
    python vae.py --work build/pictures --minutes 3 --decoder

The second trains the decoder alone further, for pictures as the U-Net has seen them: the latents stay what they are,
and a U-Net that was trained on them stays right.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from common import Clock, Optimizer, as_pictures, as_tensor, make_vae, pool, rate, save
from pictures import read

BATCH, CROP = 32, 32
RATE, MUON_RATE, DECAY_FROM = 1e-3, 0.02, 0.4
KL_WEIGHT = 1e-4  # of the mean over a latent's elements, against the mean absolute error
STRETCH = 0.2  # of the latents, at most: guidance goes too far, and the decoder should not mind
POOL, DECODER_POOL = 8000, (12000, 11)


def crops(values, generator):
    """Half of the pictures whole is too dear: crops of 32×32, mostly from the middle rows, where the figures are."""
    index = torch.randint(0, len(values), (BATCH,), generator=generator)
    x = torch.randint(0, 64 - CROP + 1, (BATCH,), generator=generator)
    y = (torch.randn(BATCH, generator=generator) * 8 + 16).round().long().clamp(0, 64 - CROP)
    return torch.stack([values[i][:, b:b + CROP, a:a + CROP]
                        for i, a, b in zip(index.tolist(), x.tolist(), y.tolist())]).float() / 127.5 - 1


def train(work, minutes, seed, decoder_only):
    torch.manual_seed(seed)
    vae = AutoencoderKL.from_pretrained(work / "vae") if decoder_only else make_vae()
    vae.to(memory_format=torch.channels_last)
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(not decoder_only)
    optimizer = Optimizer(vae, RATE, MUON_RATE * (0.5 if decoder_only else 1))
    step, spent = 0, 0.0
    path = work / ("decoder.pt" if decoder_only else "vae.pt")
    if path.exists():
        state = torch.load(path, weights_only=True)
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    _, pictures = pool(work, *((POOL, seed) if not decoder_only else DECODER_POOL))
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2)  # uint8
    clock, saved, checked, mean = Clock(minutes, spent), time.time(), time.time(), None
    print(f"{sum(p.numel() for p in vae.parameters()):,} parameters, from step {step}, {spent:.1f} minutes", flush=True)
    while clock.share < 1:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        x = crops(values, generator).contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(x).latent_dist
        latents = posterior.sample()
        if decoder_only:
            latents *= 1 + STRETCH * torch.rand(BATCH, 1, 1, 1, generator=generator)
        found = vae.decode(latents).sample
        error = (found - x).abs().mean()
        kl = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        (error + KL_WEIGHT * kl).backward()
        optimizer.step(rate(clock, step, 100, DECAY_FROM))
        step += 1
        mean = error.item() if mean is None else 0.98 * mean + 0.02 * error.item()
        if step % 50 == 0:
            print(f"step {step} minutes {clock.spent:.2f} error {mean:.4f} kl {kl.item():.2f} "
                  f"deviation {posterior.std.mean().item():.3f} latents {posterior.mean.std().item():.2f}", flush=True)
        if time.time() - saved > 60 or clock.share >= 1:
            saved = time.time()
            save(path, lambda file: torch.save({
                "model": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                "spent": clock.spent}, file))
        if time.time() - checked > 400 or clock.share >= 1:
            checked = time.time()
            check(work, vae)
    if decoder_only:
        vae.to(memory_format=torch.contiguous_format).save_pretrained(work / "vae")
    else:
        finish(work, vae)


@torch.no_grad()
def finish(work, vae):
    """Writes the trained autoencoder with the scaling factor in its configuration. The mean of the latents, measured
    on a thousand pictures, moves into the convolutions on both sides of them, which changes no picture."""
    x = as_tensor(pool(work, POOL, 1)[1][:1000])
    means, deviations = [], []
    for part in x.split(50):
        posterior = vae.encode(part).latent_dist
        means.append(posterior.mean)
        deviations.append(posterior.std)
    means, deviations = torch.cat(means), torch.cat(deviations)
    centre = means.mean((0, 2, 3))
    factor = 1 / (means - centre[:, None, None]).square().add(deviations.square()).mean().sqrt().item()
    vae.quant_conv.bias[:4] -= centre
    vae.post_quant_conv.bias += vae.post_quant_conv.weight[:, :, 0, 0] @ centre
    vae.register_to_config(scaling_factor=round(factor, 5))
    print(f"latents of mean {centre.tolist()} moved; scaling factor {vae.config.scaling_factor}", flush=True)
    vae.to(memory_format=torch.contiguous_format).save_pretrained(work / "vae")


@torch.no_grad()
def check(work, vae):
    """Whole pictures there and back: error, PSNR, and how many read as before; some as an image."""
    from PIL import Image
    chosen, pictures = pool(work, 64, 999)
    x = as_tensor(pictures)
    found = as_pictures(vae.decode(vae.encode(x).latent_dist.mean).sample)
    square = ((found.astype(float) - pictures) ** 2).mean()
    alike = sum(read(picture) == scene for scene, picture in zip(chosen[:24], found))
    print(f"whole: PSNR {10 * np.log10(255**2 / square):.2f} dB, {alike} of 24 read as drawn", flush=True)
    rows = [np.concatenate(list(which[i:i + 12]), 1) for i in (0, 12) for which in (pictures, found)]
    Image.fromarray(np.concatenate(rows)).save(work / "vae.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12, help="of processor time")
    parser.add_argument("--decoder", action="store_true", help="the decoder alone")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    train(options.work, options.minutes, options.seed, options.decoder)


if __name__ == "__main__":
    main()
