#!/usr/bin/env python3
"""Trains the byte-level BPE tokenizer (GPT-2 style) and encodes the corpus.

    python tokens.py --work build/train

Written to the work folder: tokenizer.json, train.bin and heldout.bin (uint16), heldout.json.
Every document starts with <|endoftext|>, which serves as both begin and end.
"""
import argparse
import json
import random
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"


def read(path):
    return [json.loads(line)["text"] for line in open(path)]


def train_tokenizer(texts, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/train"))
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    work, texts = options.work, read(options.work / "train.jsonl")
    tokenizer = train_tokenizer(texts, options.vocabulary)
    tokenizer.save(str(work / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    random.Random(options.seed).shuffle(texts)  # documents of one package must not stay together
    for part, documents in (("train", texts), ("heldout", read(work / "heldout.jsonl"))):
        ids = []
        for start in range(0, len(documents), 256):
            for encoding in tokenizer.encode_batch(documents[start:start + 256], add_special_tokens=False):
                ids.append(np.array([end] + encoding.ids, dtype=np.uint16))
        stream = np.concatenate(ids)
        stream.tofile(work / f"{part}.bin")
        size = sum(len(d.encode()) for d in documents)
        print(f"{part}: {len(documents)} documents, {size} bytes, {len(stream)} tokens, "
              f"{size / len(stream):.3f} bytes/token")
        (work / f"{part}.json").write_text(json.dumps(
            {"documents": len(documents), "bytes": size, "tokens": len(stream)}) + "\n")


if __name__ == "__main__":
    main()
