#!/usr/bin/env python3
"""Trains the tokenizer on captions: CLIP's byte-level BPE, with the few merges that they hold.

    python tokens.py --work build/pictures
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from transformers import CLIPTokenizer

from pictures import caption, scenes

sys.path.append(str(Path(__file__).resolve().parents[2] / "fixtures"))
import clip_tokenizer  # noqa: E402

MERGES = 256  # at most; the captions have 63


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    chosen = scenes(generator, 4000)
    lines = [caption(scene, generator.random() < 0.25, generator.random() < 0.5) for scene in chosen]
    vocabulary, merges = clip_tokenizer.train(lines, MERGES)
    clip_tokenizer.write(options.work / "tokenizer", vocabulary, merges)
    tokenizer = CLIPTokenizer.from_pretrained(options.work / "tokenizer")
    print(f"{len(merges)} merges, {len(vocabulary)} tokens; {lines[0]!r} is {tokenizer(lines[0]).input_ids}")
    print("longest caption:", max(len(ids) for ids in tokenizer(lines).input_ids), "tokens of", clip_tokenizer.LONGEST)


if __name__ == "__main__":
    main()
