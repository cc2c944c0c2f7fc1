#!/usr/bin/env python3
"""Exports the trained pipeline in f16 as diffusers publishes one.

    python export.py --work build/pictures --output ../../../Sources/VkdynModels/Shipped

The folder is written beside its place and then renamed; README.md and examples.png, which evaluate.py writes, are kept.
"""
import argparse
import json
import os
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from common import make_text_encoder, make_unet
from sample import pipeline


def trained(work):
    """The pipeline in f32, with the average of the weights."""
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    text_encoder = make_text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    unet = make_unet()
    state = torch.load(work / "diffusion.pt", weights_only=True)
    torch.nn.ModuleDict({"text_encoder": text_encoder, "unet": unet}).load_state_dict(state["average"])
    vae = AutoencoderKL.from_pretrained(work / "vae")
    return pipeline(vae.eval(), text_encoder.eval(), tokenizer, unet.to(memory_format=torch.contiguous_format).eval())


def shipped(folder):
    """The exported pipeline as diffusers loads it; f32 arithmetic over the f16 weights."""
    pipe = StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=torch.float32, safety_checker=None, feature_extractor=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def write(pipe, folder, tokenizer):
    pipe.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    shutil.rmtree(folder / "tokenizer")
    shutil.copytree(tokenizer, folder / "tokenizer")  # vocab.json and merges.txt, as the published folders have
    path = folder / "text_encoder" / "model.safetensors"
    tensors = {name if name.startswith("text_model.") else "text_model." + name: tensor
               for name, tensor in load_file(path).items()}  # as published; transformers 5 may leave the prefix out
    save_file(tensors, path, {"format": "pt"})
    for path in folder.rglob("*.json"):  # nothing of this machine
        text = json.loads(path.read_text())
        if isinstance(text, dict) and text.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(text, indent=2) + "\n")


@torch.no_grad()
def verify(folder, pipe):
    loaded = shipped(folder)
    for part in ("text_encoder", "unet", "vae"):
        for name, tensor in getattr(pipe, part).state_dict().items():
            found = getattr(loaded, part).state_dict()[name]
            assert torch.equal(found, tensor.half().float()), f"{part} {name} differs"
            assert torch.isfinite(found).all(), f"{part} {name} does not fit in f16"
    text = "a red 7 on the left, white background"
    assert loaded.tokenizer(text).input_ids == pipe.tokenizer(text).input_ids
    print("diffusers loads the folder and finds the same weights")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.output / "pictures"
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    write(trained(options.work), new, options.work / "tokenizer")
    verify(new, trained(options.work))
    for name in ("README.md", "examples.png"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, new / name)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(new, folder)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        path.chmod(0o644)
        print(f"{path.stat().st_size:>9} {path.relative_to(folder)}")


if __name__ == "__main__":
    main()
