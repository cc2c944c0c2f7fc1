"""Llama as transformers' LlamaForCausalLM defines it, small enough to train on two CPU cores.

What differs in other families comes from their `Configuration`: `experts.py` has mixtures of experts.

Parameter names are the checkpoint's names, so that export is a copy. Matrices are kept in float32;
under autocast the products run in bfloat16. Attention is written out (two batched products and a
softmax): at these sizes that is faster on a CPU than the fused kernel, forward and backward.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Configuration:
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int = 64
    vocab_size: int = 4096
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    max_position_embeddings: int = 512

    @property
    def rotary_size(self):
        """The dimensions of a head that are rotated."""
        return self.head_dim

    def layer(self, index):
        return Layer(self, Attention(self), mlp=MLP(self))

    def published(self):
        """The fields of `config.json` that this family has beside those of all families."""
        return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "head_dim": self.head_dim,
                "intermediate_size": self.intermediate_size, "num_key_value_heads": self.num_key_value_heads,
                "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1, "rope_scaling": None}


def linear(inputs, outputs, scale=1.0):
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=scale * inputs ** -0.5)
    return layer


class RMSNorm(nn.Module):
    def __init__(self, size, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(size)), epsilon

    def forward(self, x):
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight).to(x.dtype)


def rotate(x, cosine, sine):
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat((-second, first), -1) * sine


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.groups, self.size = c.num_attention_heads, c.num_key_value_heads, c.head_dim
        self.q_proj = linear(c.hidden_size, self.heads * self.size)
        self.k_proj = linear(c.hidden_size, self.groups * self.size)
        self.v_proj = linear(c.hidden_size, self.groups * self.size)
        self.o_proj = linear(self.heads * self.size, c.hidden_size, (2 * c.num_hidden_layers) ** -0.5)

    def forward(self, x, cosine, sine, mask, cache):
        b, t, _ = x.shape
        g, h = self.groups, self.heads // self.groups
        q = rotate(self.q_proj(x).view(b, t, self.heads, self.size).transpose(1, 2), cosine, sine)
        k = rotate(self.k_proj(x).view(b, t, g, self.size).transpose(1, 2), cosine, sine)
        v = self.v_proj(x).view(b, t, g, self.size).transpose(1, 2)
        if cache is not None:  # [batch, groups, tokens so far, size]
            if "k" in cache:
                k, v = torch.cat((cache["k"], k), 2), torch.cat((cache["v"], v), 2)
            cache["k"], cache["v"] = k, v
        n = k.shape[2]
        q = q.reshape(b * g, h * t, self.size)
        scores = torch.bmm(q, k.reshape(b * g, n, self.size).transpose(1, 2)).view(b * g, h, t, n)
        weights = torch.softmax(scores * self.size ** -0.5 + mask, -1).to(v.dtype)
        mixed = torch.bmm(weights.view(b * g, h * t, n), v.reshape(b * g, n, self.size))
        return self.o_proj(mixed.view(b, g * h, t, self.size).transpose(1, 2).reshape(b, t, -1))


class MLP(nn.Module):
    def __init__(self, c, intermediate_size=None):
        super().__init__()
        inner = intermediate_size or c.intermediate_size
        self.gate_proj = linear(c.hidden_size, inner)
        self.up_proj = linear(c.hidden_size, inner)
        self.down_proj = linear(inner, c.hidden_size, (2 * c.num_hidden_layers) ** -0.5)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c, attention, **feed_forward):
        """`feed_forward` is one module, by the name that the family's checkpoints have for it."""
        super().__init__()
        self.self_attn = attention
        (self.name, module), = feed_forward.items()
        self.add_module(self.name, module)
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)

    def forward(self, x, cosine, sine, mask, cache):
        x = x + self.self_attn(self.input_layernorm(x), cosine, sine, mask, cache)
        return x + self.get_submodule(self.name)(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, configuration):
        super().__init__()
        c = self.configuration = configuration
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        self.layers = nn.ModuleList(c.layer(index) for index in range(c.num_hidden_layers))
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        frequencies = c.rope_theta ** (-torch.arange(0, c.rotary_size, 2).float() / c.rotary_size)
        angles = torch.arange(c.max_position_embeddings).float()[:, None] * frequencies
        angles = torch.cat((angles, angles), -1)
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)

    def forward(self, ids, caches=None):
        """Logits [batch, tokens, vocabulary] of token ids [batch, tokens]; `caches` makes it incremental."""
        t = ids.shape[1]
        start = caches[0]["k"].shape[2] if caches and "k" in caches[0] else 0
        x = self.embed_tokens(ids)
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        cosine, sine = self.cosine[start:start + t].to(x.dtype), self.sine[start:start + t].to(x.dtype)
        mask = torch.full((t, start + t), float("-inf"), dtype=x.dtype).triu(start + 1)
        for index, layer in enumerate(self.layers):
            x = layer(x, cosine, sine, mask, caches[index] if caches else None)
        return F.linear(self.norm(x), self.embed_tokens.weight)

    def new_caches(self):
        return [{} for _ in self.layers]
