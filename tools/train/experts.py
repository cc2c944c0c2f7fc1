"""Mixtures of experts: Mixtral, and DeepSeek-V3 with its latent attention, as transformers defines them.

Names are the checkpoint's, as in `model.py`. Tokens are sorted by expert and every expert runs once over all of its
own; none is dropped. What keeps the experts in use is each paper's own measure: a loss in Mixtral (Fedus et al., arXiv
2101.03961), a bias that chooses and does not weigh in DeepSeek-V3 (DeepSeek-AI, arXiv 2412.19437).
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from model import MLP, Attention, Configuration, Layer, RMSNorm, linear, rotate


class Router(nn.Module):
    """Chooses k experts a token. After a pass: `load`, tokens by expert, and `balance`, a loss to be added."""

    def __init__(self, c):
        super().__init__()
        self.k, self.count = c.num_experts_per_tok, c.expert_count
        self.weight = nn.Parameter(torch.randn(self.count, c.hidden_size) * c.hidden_size ** -0.5)
        self.load = self.balance = None

    def forward(self, x):
        with torch.autocast("cpu", enabled=False):
            weights, experts = self.choose(F.linear(x.float(), self.weight))
        return weights.to(x.dtype), experts

    def count_load(self, experts):
        self.load = experts.flatten().bincount(minlength=self.count)


class SoftmaxRouter(Router):
    """Mixtral's: the k likeliest, their probabilities divided by their sum."""

    def choose(self, logits):
        probabilities = logits.softmax(-1)
        weights, experts = probabilities.topk(self.k, -1)
        self.count_load(experts)
        share = self.load / experts.shape[0]
        self.balance = self.count * (share * probabilities.mean(0)).sum()
        return weights / weights.sum(-1, keepdim=True), experts


class GroupRouter(Router):
    """DeepSeek-V3's: sigmoids; a bias and the two best experts of each group choose; the sigmoids weigh."""

    def __init__(self, c):
        super().__init__(c)
        self.groups, self.kept, self.scale = c.n_group, c.topk_group, c.routed_scaling_factor
        self.register_buffer("e_score_correction_bias", torch.zeros(self.count))

    def choose(self, logits):
        scores = logits.sigmoid()
        choice = (scores.detach() + self.e_score_correction_bias).unflatten(-1, (self.groups, -1))
        kept = choice.topk(2, -1).values.sum(-1).topk(self.kept, -1).indices
        mask = torch.ones(choice.shape[:2], dtype=torch.bool).scatter_(1, kept, False)
        experts = choice.masked_fill(mask[..., None], float("-inf")).flatten(-2).topk(self.k, -1).indices
        self.count_load(experts)
        weights = scores.gather(1, experts)
        return weights / (weights.sum(-1, keepdim=True) + 1e-20) * self.scale, experts

    @torch.no_grad()
    def update_bias(self, rate):
        load = self.load.float()
        self.e_score_correction_bias += rate * torch.sign(load.mean() - load)


class MixtralExpert(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.w1 = linear(c.hidden_size, c.intermediate_size)  # gate
        self.w3 = linear(c.hidden_size, c.intermediate_size)  # up
        self.w2 = linear(c.intermediate_size, c.hidden_size, (2 * c.num_hidden_layers) ** -0.5)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Mixture(nn.Module):
    def __init__(self, gate, experts, shared_experts=None):
        super().__init__()
        self.gate, self.experts = gate, nn.ModuleList(experts)
        if shared_experts is not None:
            self.shared_experts = shared_experts

    def forward(self, x):
        tokens = x.flatten(0, -2)  # [tokens, hidden]
        weights, experts = self.gate(tokens)
        k = experts.shape[1]
        order = experts.flatten().argsort(stable=True)
        rows = order // k
        pieces = tokens[rows].split(self.gate.load.tolist())
        mixed = torch.cat([expert(piece) for expert, piece in zip(self.experts, pieces)])
        mixed = mixed * weights.flatten()[order, None]
        result = torch.zeros_like(tokens).index_add(0, rows, mixed)
        if hasattr(self, "shared_experts"):
            result = result + self.shared_experts(tokens)
        return result.view_as(x)


class LatentAttention(nn.Module):
    """Keys and values from a latent of `kv_lora_rank`, positions from a key part that all heads share."""

    def __init__(self, c):
        super().__init__()
        self.heads, self.nope, self.rope, self.value = (
            c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim)
        self.rank = c.kv_lora_rank
        self.q_a_proj = linear(c.hidden_size, c.q_lora_rank)
        self.q_a_layernorm = RMSNorm(c.q_lora_rank, 1e-6)
        self.q_b_proj = linear(c.q_lora_rank, self.heads * (self.nope + self.rope))
        self.kv_a_proj_with_mqa = linear(c.hidden_size, self.rank + self.rope)
        self.kv_a_layernorm = RMSNorm(self.rank, 1e-6)
        self.kv_b_proj = linear(self.rank, self.heads * (self.nope + self.value))
        self.o_proj = linear(self.heads * self.value, c.hidden_size, (2 * c.num_hidden_layers) ** -0.5)

    def forward(self, x, cosine, sine, mask, cache):
        b, t, _ = x.shape
        q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x))).view(b, t, self.heads, -1).transpose(1, 2)
        latent, shared = self.kv_a_proj_with_mqa(x).split((self.rank, self.rope), -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).view(b, t, self.heads, -1).transpose(1, 2)
        # Pairs lie side by side in the checkpoint; `rotate` takes halves.
        rotated = rotate(halves(q[..., self.nope:]), cosine, sine)
        shared = rotate(halves(shared[:, None]), cosine, sine).expand(-1, self.heads, -1, -1)
        q = torch.cat((q[..., :self.nope], rotated), -1)
        k, v = torch.cat((kv[..., :self.nope], shared), -1), kv[..., self.nope:]
        if cache is not None:  # [batch, heads, tokens so far, size]
            if "k" in cache:
                k, v = torch.cat((cache["k"], k), 2), torch.cat((cache["v"], v), 2)
            cache["k"], cache["v"] = k, v
        scores = q @ k.transpose(2, 3)
        weights = torch.softmax(scores * (self.nope + self.rope) ** -0.5 + mask, -1).to(v.dtype)
        return self.o_proj((weights @ v).transpose(1, 2).reshape(b, t, -1))


def halves(x):
    return torch.cat((x[..., 0::2], x[..., 1::2]), -1)


@dataclass
class MixtralConfiguration(Configuration):
    num_local_experts: int = 8
    num_experts_per_tok: int = 2
    router_aux_loss_coef: float = 0.02
    family = "Mixtral"

    @property
    def described(self):
        return (f"{self.num_hidden_layers} layers, hidden {self.hidden_size}, {self.num_attention_heads} heads of "
                f"{self.head_dim} on {self.num_key_value_heads} key-value head.\nIn each layer {self.expert_count} "
                f"experts of {self.intermediate_size}, of which a token chooses {self.num_experts_per_tok}.")

    @property
    def expert_count(self):
        return self.num_local_experts

    def layer(self, index):
        experts = [MixtralExpert(self) for _ in range(self.num_local_experts)]
        return Layer(self, Attention(self), block_sparse_moe=Mixture(SoftmaxRouter(self), experts))

    def published(self):
        names = ("intermediate_size", "num_key_value_heads", "num_local_experts", "num_experts_per_tok",
                 "router_aux_loss_coef")
        return {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "sliding_window": None,
                "output_router_logits": False} | {name: getattr(self, name) for name in names}


@dataclass
class DeepSeekConfiguration(Configuration):
    rms_norm_eps: float = 1e-6
    moe_intermediate_size: int = 48
    n_routed_experts: int = 16
    n_shared_experts: int = 1
    num_experts_per_tok: int = 4
    n_group: int = 4
    topk_group: int = 2
    routed_scaling_factor: float = 1.5
    first_k_dense_replace: int = 1
    q_lora_rank: int = 96
    kv_lora_rank: int = 64
    qk_nope_head_dim: int = 32
    qk_rope_head_dim: int = 16
    v_head_dim: int = 32
    router_aux_loss_coef: float = 0.0  # the bias balances
    family = "DeepSeek-V3"

    @property
    def described(self):
        return (f"{self.num_hidden_layers} layers, hidden {self.hidden_size}, the first {self.first_k_dense_replace} "
                f"dense ({self.intermediate_size}).\nIn the others {self.expert_count} experts of "
                f"{self.moe_intermediate_size} in {self.n_group} groups, of which a token chooses "
                f"{self.num_experts_per_tok} within {self.topk_group} groups, and {self.n_shared_experts} shared.\n"
                f"Latent attention: {self.num_attention_heads} heads of {self.qk_nope_head_dim} + "
                f"{self.qk_rope_head_dim}, values of {self.v_head_dim}, a latent of {self.kv_lora_rank}, queries of "
                f"rank {self.q_lora_rank}.")

    @property
    def expert_count(self):
        return self.n_routed_experts

    @property
    def rotary_size(self):
        return self.qk_rope_head_dim

    def layer(self, index):
        if index < self.first_k_dense_replace:
            return Layer(self, LatentAttention(self), mlp=MLP(self))
        experts = [MLP(self, self.moe_intermediate_size) for _ in range(self.n_routed_experts)]
        shared = MLP(self, self.n_shared_experts * self.moe_intermediate_size)
        return Layer(self, LatentAttention(self), mlp=Mixture(GroupRouter(self), experts, shared))

    def published(self):
        names = ("intermediate_size", "num_key_value_heads", "moe_intermediate_size", "n_routed_experts",
                 "n_shared_experts", "num_experts_per_tok", "n_group", "topk_group", "routed_scaling_factor",
                 "first_k_dense_replace", "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim",
                 "v_head_dim")
        return {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "scoring_func": "sigmoid",
                "topk_method": "noaux_tc", "norm_topk_prob": True, "moe_layer_freq": 1, "rope_interleave": True,
                "num_nextn_predict_layers": 0, "attention_bias": False, "rope_scaling": None} | {
                    name: getattr(self, name) for name in names}


def routers(model):
    return [module for module in model.modules() if isinstance(module, Router)]


def balance_loss(model):
    """The mean over the layers of the last pass's balance, 1 where all experts are used alike; none without a loss."""
    losses = [router.balance for router in routers(model) if router.balance is not None]
    return sum(losses) / len(losses) / routers(model)[0].k if losses else 0.0


def update_biases(model, rate):
    for router in routers(model):
        if isinstance(router, GroupRouter):
            router.update_bias(rate)
