#!/usr/bin/env python3
"""Measures the exported model with the authors' token merging, and writes its pages.

    git clone https://github.com/facebookresearch/ToMe build/ToMe
    python evaluate.py --work build/digits --models ../../../Sources/VkdynModels/Shipped --tome build/ToMe --cards

Matching and merging are the authors' module, loaded from their checkout; the layers around it follow their patch of
timm: proportional attention, the mean of the keys as metric, merging between attention and MLP. f32 on one thread.
"""
import argparse
import hashlib
import importlib.util
import json
import time
from pathlib import Path

import torch

from export import load, read_held_out

MERGE_SHA256 = "eb74b0de74329e991b49d7e2cd0c494b924eb245b8d51f9948dacc8ed8c14e2e"
MERGED = [0, 2, 4, 6, 8, 12, 16, 20, 24, 32, 33, 40]


def tome_merge(checkout):
    path = checkout / "tome" / "merge.py"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found == MERGE_SHA256, f"{path} is another version: {found}"
    spec = importlib.util.spec_from_file_location("tome_merge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def merged_logits(model, tome, images, r):
    """(logits, the tokens that each layer leaves)."""
    x = model.norm_pre(model._pos_embed(model.patch_embed(images)))
    size, left = None, []
    for block in model.blocks:
        attention = block.attn
        count, tokens, width = x.shape
        qkv = attention.qkv(block.norm1(x)).view(count, tokens, 3, attention.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) * attention.scale
        if size is not None:
            scores = scores + size.log()[:, None, None, :, 0]
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(count, tokens, width)
        x = x + attention.proj(mixed)
        if r > 0:
            merge, _ = tome.bipartite_soft_matching(key.mean(1), r, class_token=True)
            x, size = tome.merge_wavg(merge, x, size)
        x = x + block.mlp(block.norm2(x))
        left.append(x.shape[1])
    return model.forward_head(model.norm(x)), left


def multiply_adds(model, left):
    """Of one image: products with weights, scores and mixing; the matching's scores are left out."""
    width, hidden = model.embed_dim, model.blocks[0].mlp.fc1.out_features
    patches = model.patch_embed.num_patches
    total = patches * model.patch_embed.proj.weight.numel() + width * model.num_classes
    before = [patches + 1] + left[:-1]
    for attended, kept in zip(before, left):
        total += 4 * attended * width * width + 2 * attended * attended * width + 2 * kept * width * hidden
    return total


@torch.no_grad()
def measure(folder, checkout):
    model, tome = load(folder), tome_merge(checkout)
    images, labels = read_held_out(folder)
    plain = torch.cat([model(part) for part in images.split(50)])
    rows = []
    for r in MERGED:
        began = time.process_time()
        parts = [merged_logits(model, tome, part, r) for part in images.split(50)]
        logits, left = torch.cat([part[0] for part in parts]), parts[0][1]
        if r == 0:
            gap = (logits - plain).abs().max().item()
            assert gap < 1e-4, f"without merging the logits differ from timm's by {gap}"
        wrong = int((logits.argmax(-1) != labels).sum())
        rows.append({
            "r": r, "left": left, "wrong": wrong, "accuracy": 1 - wrong / len(labels),
            "changed": int((logits.argmax(-1) != plain.argmax(-1)).sum()),
            "multiply-adds": multiply_adds(model, left), "core seconds": time.process_time() - began})
        print(json.dumps(rows[-1]), flush=True)
    return {"parameters": sum(p.numel() for p in model.parameters()), "images": len(labels), "rows": rows}


def check(rows):
    """Halving the tokens by mid-depth may cost half a point."""
    layers, tokens = len(rows[0]["left"]), rows[0]["left"][0]
    halving = next(row for row in rows if row["left"][layers // 2 - 1] <= tokens / 2)
    cost = round(100 * (rows[0]["accuracy"] - halving["accuracy"]), 6)  # without what subtraction leaves of 0
    print(f"r = {halving['r']} leaves {halving['left'][layers // 2 - 1]} of {tokens} tokens after layer {layers // 2} "
          f"and costs {cost:.1f} points")
    return halving, cost


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/digits"))
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--tome", type=Path, required=True, help="a checkout of the authors' repository")
    parser.add_argument("--cards", action="store_true", help="also write the pages")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    result = measure(options.models / "digits-vit", options.tome)
    halving, cost = check(result["rows"])
    (options.work / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n")
    if options.cards:
        from cards import write_cards
        write_cards(options.work, options.models, result, halving, cost)
    if cost > 0.5:
        raise SystemExit("that is more than 0.5 points: train longer, the split stays")


if __name__ == "__main__":
    main()
