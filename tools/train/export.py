#!/usr/bin/env python3
"""Exports the checkpoints as Hugging Face folders, f16, and compares them with transformers.

    python export.py --work build/train --output ../../Sources/VkdynModels/Shipped
    python export.py --work build/train --output preview --only target
    python export.py --work build/train --output preview --only mixtral deepseek

Each folder is written beside its place and then renamed. `--verify` loads it with transformers and
requires the same logits (to 1e-3) and the same greedy continuation as `model.py`.
"""
import argparse
import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from continuations import write
from model import Llama
from shapes import PAIR, SHAPES

END = "<|endoftext|>"
PROMPTS = ["The key advantage of dynamic computation in AI is", "Large language models can be accelerated by",
           "In the future, efficient AI inference will"]


def configuration_of(shape, end):
    c = SHAPES[shape]
    names = ("hidden_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "rms_norm_eps",
             "rope_theta", "vocab_size")
    common = {
        "attention_dropout": 0.0, "bos_token_id": end, "eos_token_id": end, "hidden_act": "silu",
        "initializer_range": 0.02, "tie_word_embeddings": True, "torch_dtype": "float16", "use_cache": True,
    }
    return dict(sorted((common | {name: getattr(c, name) for name in names} | c.published()).items()))


def dump(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def export(work, shape, folder):
    checkpoint = torch.load(work / f"{shape}.pt", weights_only=True)
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    end = Tokenizer.from_file(str(work / "tokenizer.json")).token_to_id(END)
    dump(new / "config.json", configuration_of(shape, end))
    dump(new / "generation_config.json", {"_from_model_config": True, "bos_token_id": end, "eos_token_id": end})
    dump(new / "tokenizer_config.json", {
        "add_bos_token": False, "add_eos_token": False, "add_prefix_space": False, "bos_token": END,
        "clean_up_tokenization_spaces": False, "eos_token": END,
        "model_max_length": SHAPES[shape].max_position_embeddings,
        "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": END})
    shutil.copyfile(work / "tokenizer.json", new / "tokenizer.json")
    # The bias that chooses experts is float32 in published checkpoints too: its steps are small.
    weights = {"model." + name: value if name.endswith("_correction_bias") else value.half().contiguous()
               for name, value in checkpoint["model"].items()}
    assert all(torch.isfinite(w).all() for w in weights.values()), "a weight does not fit in f16"
    save_file(weights, new / "model.safetensors", metadata={"format": "pt"})
    if (folder / "README.md").exists():
        shutil.copyfile(folder / "README.md", new / "README.md")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(new, folder)
    (folder / "model.safetensors").chmod(0o644)
    print(f"{folder}: step {checkpoint['step']}, {checkpoint['tokens']} tokens, {checkpoint['seconds']:.0f} s, "
          f"{sum(f.stat().st_size for f in folder.iterdir())} bytes")


def load_folder(folder):
    """The exported model in `model.py`'s form, f32 arithmetic over the f16 weights, and the tokenizer."""
    folder = Path(folder)
    shape = folder.name.removeprefix("prose-")
    model = Llama(SHAPES[shape])
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): value.float() for name, value in weights.items()})
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


@torch.no_grad()
def verify(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    reference.generation_config.eos_token_id = None  # compare 80 tokens whatever they are
    spelled = AutoTokenizer.from_pretrained(folder)
    model, tokenizer = load_folder(folder)
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt, add_special_tokens=False).ids
        assert spelled(prompt, add_special_tokens=False)["input_ids"] == ids, "the tokenizers differ"
        assert spelled.decode(ids) == prompt, "decoding does not give the prompt back"
        rows = torch.tensor([ids])
        gap = (reference(rows).logits - model(rows)).abs().max().item()
        assert gap < 1e-3, f"logits differ by {gap}"
        theirs = reference.generate(rows, max_new_tokens=80, do_sample=False, pad_token_id=0)
        assert theirs.tolist() == write(model, rows, len(ids) + 80).tolist(), "the continuations differ"
        print(f"{folder.name}: logits within {gap:.1e}, 80 greedy tokens equal: {prompt!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/train"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", choices=SHAPES, nargs="+", default=PAIR)
    parser.add_argument("--verify", action="store_true")
    options = parser.parse_args()
    for shape in options.only:
        folder = options.output / f"prose-{shape}"
        export(options.work, shape, folder)
        if options.verify:
            verify(folder)


if __name__ == "__main__":
    main()
