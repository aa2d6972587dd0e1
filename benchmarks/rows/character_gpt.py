"""The small GPT that learns Shakespeare on a CPU, beside the same network in `torch.nn`: a training step."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from benchmarks.rows.transformers import Training, filled
from groundup.functional import linear_cross_entropy
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW
from rows.units import Unit

STEP, VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS = (12, 64), 65, 64, 128, 4, 4


class Attention(nn.Module):
    """q, k and v by one matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv_proj, self.out_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in self.qkv_proj(x).split(WIDTH, -1))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn_norm, self.self_attn = nn.LayerNorm(WIDTH), Attention()
        self.feed_forward_norm = nn.LayerNorm(WIDTH)
        self.feed_forward = nn.ModuleDict(
            {"linear1": nn.Linear(WIDTH, 4 * WIDTH), "linear2": nn.Linear(4 * WIDTH, WIDTH)}
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_norm(x))
        hidden = F.gelu(self.feed_forward["linear1"](self.feed_forward_norm(x)), approximate="tanh")
        return x + self.feed_forward["linear2"](hidden)


class Peer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embedding = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_embedding(tokens) + self.position_embedding(torch.arange(tokens.size(1)))
        return F.linear(self.norm(self.blocks(x)), self.token_embedding.weight)


def our_model() -> Any:
    return filled(GPT2(VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS, dropout=0.0))


def our_step() -> Unit:
    def loss(model: Any, tokens: Tensor) -> Tensor:
        return linear_cross_entropy(model(tokens[:, :-1], pre_logits=True), model.head_weight, tokens[:, 1:])

    return Training(our_model(), loss, lambda p: AdamW(p, lr=1e-3), dict, VOCABULARY, STEP)


def their_step() -> Unit:
    def loss(model: Any, tokens: Tensor) -> Tensor:
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    def apart(values: dict[str, Tensor]) -> dict[str, Tensor]:
        """q, k and v each under its own name, as ours has them."""
        found = {}
        for name, value in values.items():
            parts = zip("qkv", value.chunk(3), strict=True) if "qkv_proj" in name else [("qkv", value)]
            found |= {name.replace("qkv_proj", f"{letter}_proj"): part for letter, part in parts}
        return found

    model, ours = Peer(), our_model().state_dict()
    with torch.no_grad():
        for name, part in apart(dict(model.named_parameters())).items():
            part.copy_(ours[name])
    return Training(model, loss, lambda p: torch.optim.AdamW(p, lr=1e-3), apart, VOCABULARY, STEP)


ROWS = [
    Row(
        *("transformer", "GPT-2, 0.8M", " × ".join(map(str, STEP)), "training step, AdamW"),
        *("torch.nn + optim.AdamW", our_step, their_step, 1.0),
        why="q, k and v are three products here and one there: 24 calls more for the same work; the rest is alike",
    )
]
