#!/usr/bin/env python3
"""Lets the target write: the text on which the draft is distilled.

    python continuations.py --work build/train --rows 4096

Each row of 256 tokens is 16 to 96 tokens of the training text, then what the target writes: greedily
in three rows of four (that is what a greedy draft has to predict), sampled at temperature 0.8 in the
fourth. Written to continuations.bin (uint16). Only training text is used as a beginning.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch

from train import load

LENGTH = 256


@torch.no_grad()
def write(model, beginnings, length, temperature=None, generator=None):
    """Continues rows of equal length, [rows, tokens], to `length` tokens."""
    caches = model.new_caches()
    rows = beginnings
    logits = model(rows, caches)[:, -1]
    while True:
        if temperature is None:
            chosen = logits.argmax(-1, keepdim=True)
        else:
            chosen = torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)
        rows = torch.cat((rows, chosen), 1)
        if rows.shape[1] == length:
            return rows
        logits = model(chosen, caches)[:, -1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/train"))
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    random = np.random.default_rng(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    stream = np.fromfile(options.work / "train.bin", dtype=np.uint16)
    model = load(options.work / "target.pt", "target")
    written, began = [], time.monotonic()
    for index in range(options.rows // options.batch):
        length = int(random.integers(16, 97))
        starts = random.integers(0, len(stream) - length, options.batch)
        beginnings = torch.from_numpy(np.stack([stream[s:s + length] for s in starts]).astype(np.int64))
        temperature = 0.8 if index % 4 == 3 else None
        written.append(write(model, beginnings, LENGTH, temperature, generator).numpy().astype(np.uint16))
        if index % 4 == 3:
            print(f"{(index + 1) * options.batch} rows, {time.monotonic() - began:.0f} s", flush=True)
    np.concatenate(written).tofile(options.work / "continuations.bin")


if __name__ == "__main__":
    main()
