#!/usr/bin/env python3
"""Measures the exported pair and writes its README: held-out loss, greedy acceptance, sample texts.

    python evaluate.py --work build/train --models ../../Sources/VkdynModels/Shipped

Greedy speculative decoding accepts the leading drafts that equal the target's greedy text. As long as they
do, the draft has read exactly that text; so one pass of the draft over the target's text gives, for every
position, whether it would have been accepted, and the rounds for every draft length follow by counting.
A round with n accepted drafts emits n + 1 tokens; the draft length is min(length, room - 1).
"""
import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from continuations import write
from export import END, PROMPTS, load_folder

NEW_TOKENS = 80
LENGTHS = range(1, 9)


@torch.no_grad()
def held_out(model, stream, sequence=256):
    """Nats a token, f32, over the whole held-out text in windows of `sequence`; each token is predicted once."""
    total, count = 0.0, 0
    for start in range(0, len(stream) - 1, 8 * sequence):
        block = stream[start:start + 8 * sequence + 1]
        usable = (len(block) - 1) // sequence
        pieces = [np.stack([block[i * sequence:(i + 1) * sequence + 1] for i in range(usable)])] if usable else []
        if (len(block) - 1) % sequence:
            pieces.append(block[usable * sequence:][None])
        for piece in pieces:
            ids = torch.from_numpy(piece.astype(np.int64))
            logits = model(ids[:, :-1])
            total += F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum").item()
            count += ids[:, 1:].numel()
    assert count == len(stream) - 1
    return total / count


@torch.no_grad()
def agreement(target, draft, rows, end):
    """For rows of equal length: the target's greedy tokens, and where the draft's choice equals them."""
    text = write(target, rows, rows.shape[1] + NEW_TOKENS)
    choices = draft(text[:, :-1]).argmax(-1)
    new = text[:, rows.shape[1]:]
    same = choices[:, rows.shape[1] - 1:] == new
    results = []
    for tokens, matches in zip(new.tolist(), same.tolist()):
        stop = tokens.index(end) + 1 if end in tokens else len(tokens)
        results.append((tokens[:stop], matches[:stop]))
    return results


def rounds(matches, length):
    """(drafted, accepted, rounds, emitted) for one continuation and a draft length."""
    position = drafted = accepted = count = 0
    while position < len(matches):
        width = min(length, len(matches) - position - 1)
        agreed = 0
        while agreed < width and matches[position + agreed]:
            agreed += 1
        drafted, accepted, count = drafted + width, accepted + agreed, count + 1
        position += agreed + 1
    return drafted, accepted, count, len(matches)


def table(results):
    rows = []
    for length in LENGTHS:
        d, a, c, e = np.sum([rounds(matches, length) for _, matches in results], axis=0)
        rows.append({"draft length": length, "acceptance": a / d, "tokens per round": e / c})
    return rows


def repeated(tokens, size=4):
    """The share of the n-grams of a continuation which occurred before in it."""
    grams = [tuple(tokens[i:i + size]) for i in range(len(tokens) - size + 1)]
    return 1 - len(set(grams)) / max(1, len(grams))


def measure(work, models, prefixes, prefix_tokens, seed):
    target, tokenizer = load_folder(models / "prose-target")
    draft, _ = load_folder(models / "prose-draft")
    end = tokenizer.token_to_id(END)
    stream = np.fromfile(work / "heldout.bin", dtype=np.uint16)
    size = json.loads((work / "heldout.json").read_text())
    result = {"held-out": size, "prefixes": prefixes, "prefix tokens": prefix_tokens, "new tokens": NEW_TOKENS}
    for name, model in (("target", target), ("draft", draft)):
        loss = held_out(model, stream)
        result[name] = {"parameters": sum(p.numel() for p in model.parameters()), "nats per token": loss,
                        "bits per byte": loss / math.log(2) * size["tokens"] / size["bytes"]}
    ids = [tokenizer.encode(p, add_special_tokens=False).ids for p in PROMPTS]
    on_prompts = [agreement(target, draft, torch.tensor([i]), end)[0] for i in ids]
    # Prefixes start at places drawn by seed, hold no end of a document, and do not overlap.
    places = [p for p in range(0, len(stream) - prefix_tokens, prefix_tokens)
              if end not in stream[p:p + prefix_tokens]]
    chosen = np.random.default_rng(seed).choice(places, prefixes, replace=False)
    rows = torch.from_numpy(np.stack([stream[p:p + prefix_tokens] for p in sorted(chosen)]).astype(np.int64))
    on_heldout = agreement(target, draft, rows, end)
    result["prompts"], result["held-out prefixes"] = table(on_prompts), table(on_heldout)
    for name, results in (("prompts", on_prompts), ("held-out prefixes", on_heldout)):
        result[f"argmax agreement, {name}"] = sum(sum(m) for _, m in results) / sum(len(m) for _, m in results)
        result[f"repeated 4-grams, {name}"] = float(np.mean([repeated(t) for t, _ in results]))
    result["samples"] = [{"prompt": p, "text": tokenizer.decode(t)} for p, (t, _) in zip(PROMPTS, on_prompts)]
    for row, (tokens, _) in list(zip(rows.tolist(), on_heldout))[::max(1, prefixes // 4)]:
        result["samples"].append({"prompt": tokenizer.decode(row), "text": tokenizer.decode(tokens)})
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/train"))
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--prefixes", type=int, default=64)
    parser.add_argument("--prefix-tokens", type=int, default=24)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cards", action="store_true", help="also write the README files beside the models")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    result = measure(options.work, options.models, options.prefixes, options.prefix_tokens, options.seed)
    print(json.dumps(result, indent=1))
    if options.cards:
        (options.work / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n")
        from cards import write_cards
        write_cards(options.work, options.models, result)


if __name__ == "__main__":
    main()
