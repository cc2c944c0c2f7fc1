#!/usr/bin/env python3
"""Measures the exported mixtures of experts and writes their READMEs: held-out loss, use of the experts, samples.

    python evaluate_mixtures.py --work build/train --models ../../Sources/VkdynModels/Shipped --cards

Whether experts are used is counted over the held-out text: each expert's share of its layer's assignments, in multiples
of an equal share. Whether they differ is measured by exchanging them: the held-out loss where, in one layer or in all,
every expert does its neighbour's work and the router chooses and weighs as before. Were they alike, nothing would
change.
"""
import argparse
import json
import math
import re
from pathlib import Path

import numpy as np
import torch

from cards import corpus_table, model_card, quoted
from continuations import write
from evaluate import NEW_TOKENS, held_out, repeated
from experts import Mixture, routers
from export import END, PROMPTS, load_folder
from sections import replace_section
from shapes import MIXTURES, SHAPES

LEAST_USE = 0.1  # of an equal share: an expert below it was not trained
TEMPERATURE = 0.8
SEED = 4


class Use:
    """Counts the assignments to the experts of each layer over all passes while it is entered."""

    def __init__(self, model):
        self.routers = routers(model)
        self.loads = [torch.zeros(router.count) for router in self.routers]

    def __enter__(self):
        def add(router, _, output, total):
            total += router.load
        self.hooks = [router.register_forward_hook(lambda r, i, o, total=total: add(r, i, o, total))
                      for router, total in zip(self.routers, self.loads)]
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def exchanged(mixtures, stream, model):
    """The held-out loss where the experts of these layers do their neighbours' work."""
    for mixture in mixtures:
        mixture.experts = torch.nn.ModuleList([*mixture.experts[1:], mixture.experts[0]])
    loss = held_out(model, stream)
    for mixture in mixtures:
        mixture.experts = torch.nn.ModuleList([mixture.experts[-1], *mixture.experts[:-1]])
    return loss


def active_parameters(model):
    """Parameters that one token is multiplied with: all but the experts that it does not choose."""
    total = sum(p.numel() for p in model.parameters())
    for mixture in (m for m in model.modules() if isinstance(m, Mixture)):
        total -= sum(p.numel() for p in mixture.experts.parameters()) * (1 - mixture.gate.k / mixture.gate.count)
    return round(total)


def before(log):
    """The held-out loss, a sample of the text, of the untrained model; training writes it first."""
    return float(re.search(r"^step 0 saved.* held-out ([\d.]+)", log, re.M)[1])


@torch.no_grad()
def measure(work, models, name):
    model, tokenizer = load_folder(models / f"prose-{name}")
    stream = np.fromfile(work / "heldout.bin", dtype=np.uint16)
    size = json.loads((work / "heldout.json").read_text())
    with Use(model) as use:
        loss = held_out(model, stream)
    mixtures = [module for module in model.modules() if isinstance(module, Mixture)]
    samples, end = [], tokenizer.token_to_id(END)
    for index, prompt in enumerate(PROMPTS):
        ids = tokenizer.encode(prompt, add_special_tokens=False).ids
        for temperature in (None, TEMPERATURE):
            generator = torch.Generator().manual_seed(SEED + index)
            tokens = write(model, torch.tensor([ids]), len(ids) + NEW_TOKENS, temperature, generator)[0].tolist()
            tokens = tokens[len(ids):]
            tokens = tokens[:tokens.index(end)] if end in tokens else tokens
            samples.append({"prompt": prompt, "text": tokenizer.decode(tokens), "temperature": temperature,
                            "repeated 4-grams": repeated(tokens)})
    shares = [[float(total.min() / total.mean()), float(total.max() / total.mean())] for total in use.loads]
    exchanges = [exchanged([mixture], stream, model) for mixture in mixtures]
    assert min(least for least, _ in shares) > LEAST_USE, f"{name}: an expert is hardly used: {shares}"
    assert min(exchanges) > loss, f"{name}: experts of a layer are alike: {loss}, exchanged {exchanges}"
    return {
        "parameters": sum(p.numel() for p in model.parameters()), "active parameters": active_parameters(model),
        "nats per token": loss, "bits per byte": loss / math.log(2) * size["tokens"] / size["bytes"],
        "nats per token, untrained": before((work / f"{name}.log").read_text()),
        "use": shares, "exchanged in one layer": exchanges,
        "exchanged in all": exchanged(mixtures, stream, model), "samples": samples}


def introduction(name, result):
    """The head of a model's card: what it is, and that its experts are used and differ."""
    c = SHAPES[name]
    uses = ", ".join(f"{least:.2f} to {most:.2f}" for least, most in result["use"])
    losses = ", ".join(f"{loss:.2f}" for loss in result["exchanged in one layer"])
    return f"""A {c.family} language model of {result['parameters']:,} parameters, {result['active parameters']:,} of \
them active for a token.
{c.described}
Vocabulary {c.vocab_size} (byte-level BPE), tied embeddings, f16.

Every expert is used: on the held-out text the least and the most used one of each layer get
{uses} of an equal share. They differ: where, in one layer, each does its
neighbour's work, the held-out loss rises from {result['nats per token']:.2f} to {losses}; in all layers, to \
{result['exchanged in all']:.2f}."""


def section(results):
    rows = [
        ("Parameters", lambda r: f"{r['parameters']:,}"),
        ("Active for a token", lambda r: f"{r['active parameters']:,}"),
        ("Held-out loss, nats a token", lambda r: f"{r['nats per token']:.4f}"),
        ("Held-out loss, bits a byte", lambda r: f"{r['bits per byte']:.4f}"),
        ("Untrained, nats a token", lambda r: f"{r['nats per token, untrained']:.2f}"),
        ("Experts used, of an equal share", lambda r: f"{min(u[0] for u in r['use']):.2f} to "
                                                      f"{max(u[1] for u in r['use']):.2f}"),
        ("Experts exchanged in one layer, nats a token", lambda r: f"{min(r['exchanged in one layer']):.2f} to "
                                                                   f"{max(r['exchanged in one layer']):.2f}"),
        ("Experts exchanged in all layers", lambda r: f"{r['exchanged in all']:.2f}"),
    ]
    table = "\n".join(f"| {title} | " + " | ".join(cell(results[name]) for name in MIXTURES) + " |"
                      for title, cell in rows)
    samples = "\n\n".join(
        f"{'Greedy' if s['temperature'] is None else f'At temperature {TEMPERATURE}'}, prose-{name}:\n\n{quoted(s)}"
        for name in MIXTURES for s in results[name]["samples"])
    return f"""# Mixtures of experts: {" and ".join("prose-" + name for name in MIXTURES)}

Two small language models with the architectures of Mixtral and DeepSeek-V3, trained by `tools/train` on the pair's text
with the pair's tokenizer, one CPU core each, so that `run moe` works at once with no download.

| | {" | ".join("prose-" + name for name in MIXTURES)} |
|---|{"---|" * len(MIXTURES)}
{table}

Held-out text and windows as above. Exchanged: each expert does its neighbour's work, which would change nothing if they
were alike. Sampled text reads like a manual's, with invented words; greedy text falls into a loop within a sentence
or two.

{samples}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/train"))
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cards", action="store_true", help="also write the README files beside the models")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = {name: measure(options.work, options.models, name) for name in MIXTURES}
    print(json.dumps(results, indent=1))
    if not options.cards:
        return
    record = json.loads((options.work / "corpus.json").read_text())
    commands = json.loads((options.work / "commands.json").read_text())
    for name in MIXTURES:
        checkpoint = torch.load(options.work / f"{name}.pt", weights_only=True)
        card = model_card(name, introduction(name, results[name]), record, results[name], checkpoint, commands[name],
                          "one shared CPU core")
        (options.models / f"prose-{name}" / "README.md").write_text(card)
    replace_section(options.models / "README.md", section(results))


if __name__ == "__main__":
    main()
