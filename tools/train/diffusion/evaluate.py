#!/usr/bin/env python3
"""Draws held-out captions with the shipped pipeline, reads the pictures and says how many show what was asked.

    python evaluate.py --work build/pictures --models ../../../Sources/VkdynModels/Shipped --cards

50 steps of PNDM, guidance 7.5. The reader itself is tested on drawings of the same scenes, as they are and through the
autoencoder.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from common import LATENT_SIDE, as_pictures, as_tensor
from export import shipped
from pictures import caption, draw, scenes
from sample import ASPECTS, agreement, table

sys.path.append(str(Path(__file__).resolve().parent.parent))
from sections import replace_section  # noqa: E402

STEPS, GUIDANCE, BATCH = 50, 7.5, 25
EXAMPLES, COLUMNS = 24, 8
LOOKS_FOR = {
    "paper": "the background's colour", "places": "as many digits as asked for, where asked for",
    "pens": "a digit's colour", "sizes": "a digit's size", "digits": "the digit", "all": "all of the caption"}


@torch.no_grad()
def measure(pipe, count):
    chosen = scenes(np.random.default_rng(7), count, held_out=True)
    generator = np.random.default_rng(8)
    drawn = np.stack([draw(scene, generator) for scene in chosen])
    through = np.concatenate([
        as_pictures(pipe.vae.decode(pipe.vae.encode(part).latent_dist.mean).sample)
        for part in as_tensor(drawn).split(BATCH)])
    noise = torch.randn(count, 4, LATENT_SIDE, LATENT_SIDE, generator=torch.Generator().manual_seed(7))
    made = []
    for start in range(0, count, BATCH):
        part = chosen[start:start + BATCH]
        pictures = pipe([caption(scene) for scene in part], latents=noise[start:start + BATCH],
                        num_inference_steps=STEPS, guidance_scale=GUIDANCE, output_type="np").images
        made.append(np.round(pictures * 255).astype(np.uint8))
        print(f"{start + len(part)} of {count} drawn", flush=True)
    rows = {"drawn": drawn, "autoencoder": through, "pipeline": np.concatenate(made)}
    return chosen, rows, {name: agreement(chosen, pictures) for name, pictures in rows.items()}


def section(result, title):
    lines = ["| What the reader looks for | Drawings | Through the autoencoder | The pipeline |", "|---|---|---|---|"]
    for aspect in ASPECTS:
        shares = " | ".join(f"{result['shares'][name][aspect]:.1%}" for name in ("drawn", "autoencoder", "pipeline"))
        lines.append(f"| {LOOKS_FOR[aspect]} | {shares} |")
    table_text = "\n".join(lines)
    return f"""# {title}

A latent diffusion pipeline in diffusers' folder layout that draws what a caption says: one or two digits in colours,
sizes and places on a background, 64×64 pixels. Made by `tools/train/diffusion` on one busy CPU core, so that
`vkdyn run diffusion` runs at once with no download. A U-Net of {result['unet']:,} parameters with Stable Diffusion's
blocks on 8×8×4 latents, a CLIP text encoder of {result['text_encoder']:,}, an autoencoder of {result['vae']:,}, f16.

{result['captions']} captions of scenes that were held out from training, {STEPS} steps of PNDM, guidance {GUIDANCE}, \
diffusers in f32 over
the f16 weights; a program reads the pictures and compares them with the captions, of which {result['figures']} digits
in all. Beside it stands what it reads of drawings of the same scenes, and of those after the autoencoder.

{table_text}
"""


def card(result, log):
    return section(result, "pictures") + f"""
## Captions

`a red 7 on the left and a small blue 3 on the right, white background`. One digit or two; pens red, green, blue,
orange, purple, black, white; backgrounds white, black, yellow, grey; a digit is `small` or, without a word, large;
`on the left`, `in the middle`, `on the right`; `…, grey background` or `…, on a grey background`; two digits in either
order. Other words have no meaning to it. `examples.png` shows the first {EXAMPLES} of the held-out captions above, \
{COLUMNS} a row:

{result['listed']}

## How it was made

- **Data**: drawn by `tools/train/diffusion/pictures.py`, whose digits are strokes written down there: no font and no
  data set. {result['held']:.0%} of the scenes, by a hash of the caption, were kept out of the training of the U-Net and
  the text encoder. Pictures of 36 of them, another draw than the captions above, were looked at on the way, and chose
  how strongly captions count.
- **What is wrong**: on grey the autoencoder leaves smears, and small digits in light colours lose their colour.
- **Training**: {log}
- **Prediction**: velocity; `scheduler_config.json` has PNDM with Stable Diffusion's noise levels.
- **Intended use**: demonstrating and testing an inference engine.
- **Licence**: the project's own.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--captions", type=int, default=300)
    parser.add_argument("--training", default="", help="for the card: how long, on what")
    parser.add_argument("--cards", action="store_true", help="write the README.md of the model and its section")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.models / "pictures"
    pipe = shipped(folder)
    chosen, rows, shares = measure(pipe, options.captions)
    result = {
        "captions": options.captions, "figures": sum(len(scene.figures) for scene in chosen), "shares": shares,
        "held": 0.03, "listed": "\n".join(f"{i + 1}. {caption(s)}" for i, s in enumerate(chosen[:EXAMPLES])),
        **{part: sum(p.numel() for p in getattr(pipe, part).parameters())
           for part in ("unet", "text_encoder", "vae")}}
    for name, found in shares.items():
        print(name, table(found))
    (options.work / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n")
    sheet = np.concatenate([np.concatenate(list(rows["pipeline"][i:i + COLUMNS]), 1)
                            for i in range(0, EXAMPLES, COLUMNS)])
    Image.fromarray(sheet).save(options.work / "examples.png", optimize=True)
    if options.cards:
        (folder / "README.md").write_text(card(result, options.training))
        Image.fromarray(sheet).save(folder / "examples.png", optimize=True)
        replace_section(options.models / "README.md", section(result, "Pictures from captions: pictures"))


if __name__ == "__main__":
    main()
