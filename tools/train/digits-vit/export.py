#!/usr/bin/env python3
"""Exports the trained model as timm does, in f16, with its held-out images.

    python export.py --work build/digits --output ../../../Sources/VkdynModels/Shipped

The folder is written beside its place and then renamed:

    config.json, model.safetensors   what timm.create_model("local-dir:…", pretrained=True) loads
    heldout.png                      the held-out pictures, 8×8 pixels each, in rows of 25
    heldout.json                     their labels, from left to right and from top to bottom
    examples/digit-D.png             the first held-out picture of each digit, as the network sees it, 64×64
"""
import argparse
import json
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from data import enlarged, normalised, pictures, prepared, split
from vit import ARGUMENTS, CLASSES, MEAN, STANDARD_DEVIATION, create, timm

COLUMNS, TILE = 25, 8
COLOUR_SEED = 0


def held_out():
    """(pictures [500, 8, 8, 3] uint8, labels [500], their indices in scikit-learn's data set)."""
    ink, labels, _, chosen = split()
    return pictures(ink[chosen], COLOUR_SEED), labels[chosen], chosen


def write_pictures(folder):
    tiles, labels, indices = held_out()
    rows = -(-len(tiles) // COLUMNS)
    assert rows * COLUMNS == len(tiles)
    sheet = tiles.reshape(rows, COLUMNS, TILE, TILE, 3).swapaxes(1, 2).reshape(rows * TILE, COLUMNS * TILE, 3)
    Image.fromarray(sheet).save(folder / "heldout.png", optimize=True)
    description = {
        "image": "heldout.png", "tileHeight": TILE, "tileWidth": TILE, "columns": COLUMNS,
        "labels": labels.tolist(), "indices": indices.tolist()}
    (folder / "heldout.json").write_text(json.dumps(description) + "\n")
    (folder / "examples").mkdir()
    for digit, name in enumerate(CLASSES):
        first = int(np.argmax(labels == digit))
        Image.fromarray(enlarged(tiles[first])).save(folder / "examples" / f"digit-{name}.png", optimize=True)


def read_held_out(folder):
    """What `write_pictures` wrote: (what the network sees [count, 3, 64, 64], labels [count])."""
    description = json.loads((folder / "heldout.json").read_text())
    sheet = np.asarray(Image.open(folder / description["image"]))
    height, width, columns = (description[k] for k in ("tileHeight", "tileWidth", "columns"))
    rows = sheet.shape[0] // height
    tiles = sheet.reshape(rows, height, columns, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)
    labels = torch.tensor(description["labels"])
    assert len(tiles) == len(labels)
    return prepared(tiles), labels


def load(folder):
    """The exported model as timm loads it; f32 arithmetic over the f16 weights."""
    return timm.create_model(f"local-dir:{folder}", pretrained=True).float().eval()


@torch.no_grad()
def verify(folder, model):
    images, labels = read_held_out(folder)
    tiles, expected, _ = held_out()
    assert labels.tolist() == expected.tolist() and torch.equal(images, prepared(tiles)), "the sheet differs"
    loaded = load(folder)
    gap = (loaded(images[:50]) - model.float()(images[:50])).abs().max().item()
    assert gap == 0, f"logits differ by {gap}"
    configuration = timm.data.resolve_data_config({}, model=loaded)
    transform = timm.data.create_transform(**configuration, is_training=False)
    assert torch.equal(transform(Image.fromarray(tiles[0])), images[0]), "timm prepares a picture differently"
    for digit, name in enumerate(CLASSES):
        example = np.asarray(Image.open(folder / "examples" / f"digit-{name}.png"))
        seen = normalised(torch.from_numpy(example.copy()).permute(2, 0, 1).float() / 255)
        assert torch.equal(seen, images[int((labels == digit).int().argmax())]), "an example differs"
    print("timm loads the folder, prepares the pictures alike and gives the same logits")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/digits"))
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = create().eval()
    model.load_state_dict(torch.load(options.work / "vit.pt", weights_only=True)["model"])
    model.half()
    assert all(torch.isfinite(w).all() for w in model.state_dict().values()), "a weight does not fit in f16"

    folder = options.output / "digits-vit"
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    timm.models.save_for_hf(
        model, new, safe_serialization=True, model_args=ARGUMENTS,
        model_config={"label_names": CLASSES, "pretrained_cfg": {"tag": "digits"}},
        data_config={
            "input_size": (3, ARGUMENTS["img_size"], ARGUMENTS["img_size"]), "mean": MEAN, "std": STANDARD_DEVIATION,
            "interpolation": "bicubic", "crop_pct": 1.0})
    write_pictures(new)
    verify(new, model)
    if (folder / "README.md").exists():
        shutil.copyfile(folder / "README.md", new / "README.md")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(new, folder)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        path.chmod(0o644)
        print(f"{path.stat().st_size:>9} {path}")


if __name__ == "__main__":
    main()
