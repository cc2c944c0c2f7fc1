"""Writes the model's page and its section in the page of the shipped models, from what was measured."""
import sys
from pathlib import Path

import torch

from vit import ARGUMENTS

sys.path.append(str(Path(__file__).resolve().parent.parent))
from sections import replace_section  # noqa: E402


def table(rows):
    layers = len(rows[0]["left"])
    marks = [layers // 4, layers // 2, 3 * layers // 4, layers]
    lines = ["| r | " + " | ".join(f"Tokens after layer {mark}" for mark in marks)
             + " | Multiply-adds | Accuracy | Wrong | Other than without merging |", "|---" * (len(marks) + 5) + "|"]
    for row in rows:
        left = " | ".join(str(row["left"][mark - 1]) for mark in marks)
        lines.append(
            f"| {row['r']} | {left} | {row['multiply-adds'] / rows[0]['multiply-adds']:.0%} | {row['accuracy']:.1%} | "
            f"{row['wrong']} | {row['changed']} |")
    return "\n".join(lines)


def section(result, halving, cost, title):
    rows, layers = result["rows"], len(result["rows"][0]["left"])
    tokens = rows[0]["left"][0]
    points = "nothing" if cost == 0 else f"{cost:.1f} points" if cost > 0 else f"nothing (it gains {-cost:.1f} points)"
    side, patch = ARGUMENTS["img_size"], ARGUMENTS["patch_size"]
    return f"""# {title}

A vision transformer of {result['parameters']:,} parameters that reads a handwritten digit from {tokens - 1} patches and
a class token, trained on one CPU core by `tools/train/digits-vit`, so that token merging runs at once with no download.
Nothing was merged in training. {layers} layers, width {ARGUMENTS['embed_dim']}, {ARGUMENTS['num_heads']} heads, images
of {side}×{side} in patches of {patch}×{patch}, f16.

Accuracy on the {result['images']} held-out images, with r tokens merged away in every layer. These are PyTorch's
figures: the authors' merging (facebookresearch/ToMe) around timm's layers, f16 weights, f32 arithmetic.

{table(rows)}

r = {halving['r']} leaves {halving['left'][layers // 2 - 1]} of {tokens} tokens after layer {layers // 2} and costs \
{points}: one image is {100 / result['images']:.1f} points.
"""


def model_card(result, halving, cost, checkpoint):
    return section(result, halving, cost, "digits-vit") + f"""
## Files

| File | What it holds |
|---|---|
| `config.json`, `model.safetensors` | the model as timm writes it and loads it (`local-dir:`) |
| `heldout.png` | the held-out pictures, RGB, 8×8 pixels each, in {result['images'] // 25} rows of 25 |
| `heldout.json` | their labels, from left to right and from top to bottom, and their places in scikit-learn's data |
| `examples/digit-D.png` | the first held-out picture of each digit, enlarged to 64×64 |

What the network sees of a picture is what `pretrained_cfg` says: Pillow's bicubic resize to 64×64 in 8 bits a channel
(a = -0.5; what would lie outside the picture is left out and the other weights are scaled to a sum of 1; 64×64 stays
as it is), divided by 255, less 0.5, divided by 0.5.

## Data

The 1,797 digits of scikit-learn (`load_digits`), the test part of the "Optical Recognition of Handwritten Digits" of
E. Alpaydin and C. Kaynak (UCI, 1998; https://doi.org/10.24432/C50P49, CC BY 4.0): 8×8 pixels of ink from 0 to 16, by
13 writers. 500 are held out, drawn once, an equal share of every digit, and were used for nothing but the table. The
same writers wrote both parts, so this measures what merging costs, not how well strangers' digits are read. Changed
here: each picture has two colours of its own, `paper + (ink / 16) · (pen - paper)`.

- **Training**: {checkpoint['steps']:,} steps of {checkpoint['images'] // checkpoint['steps']} images, \
{checkpoint['core_seconds'] / 60:.0f} minutes of one core ({checkpoint['seconds'] / 60:.0f} by the clock on a shared \
machine), seed 1, most steps
  with a random quarter of the patches, the last ones with all; see `tools/train/digits-vit/README.md`.
- **Intended use**: demonstrating and testing an inference engine.
- **Licence**: the project's own; the held-out pictures are CC BY 4.0 as the data that they were made from.
"""


def write_cards(work, models, result, halving, cost):
    checkpoint = torch.load(Path(work) / "vit.pt", weights_only=True)
    (Path(models) / "digits-vit" / "README.md").write_text(model_card(result, halving, cost, checkpoint))
    replace_section(
        Path(models) / "README.md", section(result, halving, cost, "A vision transformer: digits-vit"))
