"""What the training scripts share: shapes of the parts, schedules by processor time, checkpoints."""
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from pictures import SIDE, draw, scenes

sys.path.append(str(Path(__file__).resolve().parent.parent))
from muon import Muon  # noqa: E402

TOKENS = 77
TEXT_WIDTH = 64
LATENT_SIDE = SIDE // 8


def make_vae():
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, sample_size=SIDE, block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1,
        norm_num_groups=8)


def make_unet():
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE, in_channels=4, out_channels=4, block_out_channels=(64, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=2, cross_attention_dim=TEXT_WIDTH, attention_head_dim=4, norm_num_groups=16)


def make_text_encoder(vocabulary_size, begin, end):
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=vocabulary_size, hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=TOKENS, hidden_act="quick_gelu", projection_dim=TEXT_WIDTH,
        bos_token_id=begin, eos_token_id=end, pad_token_id=end))


def as_tensor(pictures):
    """[n, 64, 64, 3] uint8 to [n, 3, 64, 64] float32 in -1 ... 1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pictures(values):
    """The inverse, as the image processor of diffusers rounds."""
    values = (values / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().numpy()
    return (values * 255).round().astype(np.uint8)


def pool(work, count, seed):
    """`count` scenes that are not held out and their pictures; kept in the work folder."""
    path = work / f"pool-{seed}-{count}.npz"
    generator = np.random.default_rng(seed)
    chosen = scenes(generator, count)
    if not path.exists():
        pictures = np.stack([draw(scene, generator) for scene in chosen])
        save(path, lambda file: np.savez(file, pictures=pictures))
    return chosen, np.load(path)["pictures"]


def save(path, write):
    """Writes a file beside its place and renames it."""
    new = Path(str(path) + ".new")
    with open(new, "wb") as file:
        write(file)
    os.replace(new, path)


class Optimizer:
    """Muon for the matrices and convolutions inside a network, AdamW for the rest: first and last layers, embeddings,
    norms, biases. Gradients are cut to a norm of one."""
    OUTER = ("conv_in", "conv_out", "embedding", "quant_conv")

    def __init__(self, model, rate, muon_rate):
        named = [(name, p, p.ndim >= 2 and not any(word in name for word in self.OUTER))
                 for name, p in model.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p, _ in named]
        self.muon = Muon([p for _, p, inner in named if inner])
        self.adam = torch.optim.AdamW(
            [p for _, p, inner in named if not inner], betas=(0.9, 0.98), weight_decay=0.0)
        self.rate, self.muon_rate = rate, muon_rate

    def step(self, factor, decay=0.01):
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.rate * factor
        self.adam.step()
        self.muon.step(self.muon_rate * factor, decay)
        for p in self.parameters:
            p.grad = None

    def state_dict(self):
        return {"adam": self.adam.state_dict(), "muon": list(self.muon.buffers.items())}

    def load_state_dict(self, state):
        self.adam.load_state_dict(state["adam"])
        self.muon.buffers = dict(state["muon"])


class Clock:
    """Share of a budget of processor minutes, counted over interruptions."""

    def __init__(self, minutes, spent=0.0):
        self.minutes, self.before, self.start = minutes, spent, time.process_time()

    @property
    def spent(self):
        return self.before + (time.process_time() - self.start) / 60

    @property
    def share(self):
        return min(1.0, self.spent / self.minutes)


def rate(clock, step, warmup, decay_from):
    """Factor of the learning rate: up linearly, constant, and from `decay_from` of the budget on down to zero."""
    rise = min(1.0, (step + 1) / warmup)
    return rise * min(1.0, max(0.0, (1 - clock.share) / (1 - decay_from)))
