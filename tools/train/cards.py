"""Writes the model cards beside the exported models, from what the other scripts recorded."""
import json
from pathlib import Path

import torch

from sections import replace_section
from shapes import PAIR, SHAPES


def corpus_table(record):
    lines = ["| Package | Version | Licence | MB of prose |", "|---|---|---|---|"]
    lines += [f"| {r['package']} | {r['version']} | {r['licence']} | {r['bytes'] / 1e6:.2f} |" for r in record]
    return "\n".join(lines)


def acceptance_table(result):
    lines = ["| Draft length | Prompts: accepted | Prompts: tokens a round | Held-out: accepted | "
             "Held-out: tokens a round |", "|---|---|---|---|---|"]
    for p, h in zip(result["prompts"], result["held-out prefixes"]):
        lines.append(f"| {p['draft length']} | {p['acceptance']:.3f} | {p['tokens per round']:.2f} | "
                     f"{h['acceptance']:.3f} | {h['tokens per round']:.2f} |")
    return "\n".join(lines)


def quoted(sample):
    text = (sample["prompt"] + "**" + sample["text"].rstrip() + "**").replace("\n", " / ").replace("<", "\\<")
    return f"> {text}"


def pair_card(record, result):
    held = result["held-out"]
    samples = "\n\n".join(quoted(s) for s in result["samples"])
    return f"""# The shipped pair: prose-target and prose-draft

Two small Llama language models with one tokenizer, trained on two CPU cores by `tools/train`, so that
speculative decoding runs at once with no download. They write technical English with the grammar of a
manual and no knowledge to rely on: use them to exercise the engine, not to learn facts.

| | prose-target | prose-draft |
|---|---|---|
| Parameters | {result['target']['parameters']:,} | {result['draft']['parameters']:,} |
| Layers | {SHAPES['target'].num_hidden_layers} | {SHAPES['draft'].num_hidden_layers} |
| Held-out loss, nats a token | {result['target']['nats per token']:.4f} | {result['draft']['nats per token']:.4f} |
| Held-out loss, bits a byte | {result['target']['bits per byte']:.4f} | {result['draft']['bits per byte']:.4f} |

Held out: {held['documents']} documents, {held['bytes']:,} bytes, {held['tokens']:,} tokens (1% of the documents,
chosen by sha256 of their name; no paragraph is in both parts). Windows of 256 tokens, f16 weights, f32 arithmetic.

## Greedy acceptance

The share of drafted tokens which equal the target's greedy choice, and the tokens a round emits (accepted
drafts and the target's own token). Prompts: the three of the demo, {result['new tokens']} new tokens each.
Held-out: {result['prefixes']} prefixes of {result['prefix tokens']} tokens from the held-out documents,
{result['new tokens']} new tokens each. Neither was used in training or in choosing anything.

{acceptance_table(result)}

The draft's choice equals the target's at {result['argmax agreement, prompts']:.3f} of all positions after the
prompts and {result['argmax agreement, held-out prefixes']:.3f} after the held-out prefixes. Greedy text repeats
itself, and repeated text is easy to draft: the share of 4-grams seen before in the same continuation is
{result['repeated 4-grams, prompts']:.2f} after the prompts, {result['repeated 4-grams, held-out prefixes']:.2f} after the held-out prefixes.

## Greedy samples

The target's continuation is in bold; " / " stands for a new paragraph.

{samples}

## The text

English prose from the documentation packages of Debian 12 (main), markup and code removed. The models are
not the text, but whoever wishes to know what they read and under which licence finds it here.

{corpus_table(record)}
"""


def pair_introduction(name, result):
    c = SHAPES[name]
    role = "the target" if name == "target" else "the draft, distilled from prose-target,"
    return f"""A Llama language model of {result['parameters']:,} parameters: {role} of vkdyn's pair for speculative decoding.
{c.num_hidden_layers} layer{'s' if c.num_hidden_layers > 1 else ''}, hidden {c.hidden_size}, intermediate {c.intermediate_size}, \
{c.num_attention_heads} heads of {c.head_dim} on {c.num_key_value_heads} key-value head, vocabulary {c.vocab_size} \
(byte-level BPE), tied embeddings, f16."""


def model_card(name, introduction, record, result, checkpoint, how, cores="two shared CPU cores"):
    return f"""# prose-{name}

{introduction}

- **Trained on** {sum(r['bytes'] for r in record) / 1e6:.1f} MB of English technical prose from {len(record)} Debian 12 \
documentation packages, all under free licences, listed below.
- **How**: {how}
  {checkpoint['step']} steps, {checkpoint['tokens']:,} tokens, {checkpoint['seconds'] / 60:.0f} minutes on {cores}, seed 1. \
See `tools/train/README.md`.
- **Held-out loss**: {result['nats per token']:.4f} nats a token, {result['bits per byte']:.4f} bits a byte.
- **Intended use**: demonstrating and testing an inference engine. It writes sentences like those of a manual, \
often wrong and often repetitive; it holds no knowledge to rely on and was not made safe for any audience.
- **Limits**: trained on windows of 256 tokens; positions from there to {SHAPES[name].max_position_embeddings} run but were never seen. \
Few tokens for its size, so greedy text falls into repetition after a sentence or three.
- **Licence**: the project's own; the texts it was trained on are under the licences listed here.

{corpus_table(record)}
"""


def write_cards(work, models, result):
    record = json.loads((Path(work) / "corpus.json").read_text())
    commands = json.loads((Path(work) / "commands.json").read_text())
    for name in PAIR:
        checkpoint = torch.load(Path(work) / f"{name}.pt", weights_only=True)
        introduction = pair_introduction(name, result[name])
        card = model_card(name, introduction, record, result[name], checkpoint, commands[name])
        (Path(models) / f"prose-{name}" / "README.md").write_text(card)
    replace_section(Path(models) / "README.md", pair_card(record, result))
