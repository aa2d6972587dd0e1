"""The frame of every language model that is a stack of causal blocks: GPT-2, GPT-3, LLaMA.

    logits = model(tokens)                              (B, T, V): scores of what follows each token
    state = model.begin(batch_size, max_len)            then `model(tokens, state)`, any number of tokens at a time
    logits, state = model.step(tokens, state)           one token a row: what `groundup.generation` asks for

Legend: B batch, T tokens, n tokens seen, these included, E embed_dim, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from groundup import checks
from groundup.functional import init
from groundup.functional.linear import linear
from groundup.layers import Embedding, KVCache, Linear, RotaryEncoding
from groundup.layers.cache import product_dtype
from groundup.models.presets import Presets
from groundup.weights.pretrained_language import PretrainedLanguageModel


class LanguageState(NamedTuple):
    """What a model has seen: keys and values of every block; and with how many places of padding each row began."""

    caches: list[KVCache]
    padding: Tensor | None = None

    @property
    def length(self) -> int:
        """How many places have been seen, padding included."""
        return self.caches[0].length


class CausalLanguageModel(PretrainedLanguageModel, Presets, nn.Module):
    """tokens (B, T) -> logits (B, T, V). A subclass builds `blocks` and `norm`, and adds positions in `embed` if any.

    With gradient_checkpointing = True a training step holds the inputs of the blocks alone, and computes each block
    again when it needs its inside: Chen et al. 2016, arXiv:1604.06174.
    """

    blocks: nn.ModuleList
    norm: nn.Module
    gradient_checkpointing: bool = False

    def __init__(self, vocab_size: int, context: int, embed_dim: int, tie_embeddings: bool, **factory: Any) -> None:
        super().__init__()
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        self.context = checks.integer("context", context)
        self.embed_dim = checks.integer("embed_dim", embed_dim)
        if not isinstance(tie_embeddings, bool):  # "false", of a file, would tie them
            raise TypeError(f"tie_embeddings must be True or False, got {tie_embeddings!r}")
        self.token_embedding = Embedding(vocab_size, embed_dim, **factory)
        #: Turns queries and keys, in models whose positions are rotations.
        self.rotary: RotaryEncoding | None = None
        self.head = None if tie_embeddings else Linear(embed_dim, vocab_size, bias=False, **factory)

    def reset_parameters(self) -> None:
        """Matrices N(0, 0.02²), biases 0."""
        for part in self.modules():
            if isinstance(part, (Linear, Embedding)):
                init.normal_(part.weight, std=0.02)
                if isinstance(part, Linear) and part.bias is not None:
                    init.constant_(part.bias, 0.0)

    def forward(
        self, tokens: Int[Tensor, "B T"], state: LanguageState | None = None, pre_logits: bool = False
    ) -> Float[Tensor, "B T _"]:
        """The scores; with `pre_logits`, what the head sees: for `linear_cross_entropy` with `head_weight`.

        state    of `begin`: then `tokens` follow those that it has seen, and it will have seen them too
        """
        position, attention = self._place(tokens, state)
        x = self.embed(tokens, position)
        if self.rotary is not None:
            attention["rotary"] = self.rotary.at(x, position)
        for i, block in enumerate(self.blocks):
            if self.gradient_checkpointing and self.training and state is None:
                x = checkpoint(block, x, use_reentrant=False, **attention)
            else:
                x = block(x, cache=None if state is None else state.caches[i], **attention)
        x = self.norm(x)
        return x if pre_logits else linear(x, self.head_weight)

    def embed(self, tokens: Int[Tensor, "B T"], position: int | Tensor) -> Float[Tensor, "B T E"]:
        """What the first block sees; `position` of the first token, or (B, T) of every one."""
        return self.token_embedding(tokens)

    @property
    def head_weight(self) -> Tensor:
        """The matrix (V, E) that makes scores: the embedding's, where they are tied."""
        return self.token_embedding.weight if self.head is None else self.head.weight

    def _place(self, tokens: Tensor, state: LanguageState | None) -> tuple[int | Tensor, dict[str, Any]]:
        """Where the tokens stand, and what every block's attention is to know of it."""
        checks.rank("tokens", checks.indices("tokens", tokens, self.vocab_size, "vocab_size"), 2, layout="(B, T)")
        seen, padding = (0, None) if state is None else (state.length, state.padding)
        if state is not None and len(state.caches) != len(self.blocks):
            raise ValueError(
                f"state must be of this model's begin(), with {len(self.blocks)} caches, one a block, got "
                f"{len(state.caches)}"
            )
        if seen + tokens.size(1) > self.context:
            raise ValueError(
                f"tokens must end within context={self.context}, got {tokens.size(1)} after {seen}: give fewer of them,"
                " or generate with past_context='slide'"
            )
        if padding is None:
            return seen, {}
        places = torch.arange(seen + tokens.size(1), device=tokens.device) - padding[:, None]  # B, n; negative: padding
        position = places[:, seen:].clamp(min=0)
        return position, {"mask": (places >= 0)[:, None, None]}  # B, 1, 1, n

    def begin(
        self, batch_size: int, max_len: int | None = None, padding: Int[Tensor, " B"] | None = None
    ) -> LanguageState:
        """The state before the first token, with room for `max_len` of them (the context's, if not given).

        padding    how many places of padding each row begins with, whose tokens are any: nothing looks there
        """
        if padding is not None:
            checks.indices("padding", padding, self.context, "context")
            checks.size("padding", checks.rank("padding", padding, 1, layout="(B,)"), 0, batch_size, "rows, a batch's")
        room = self.context if max_len is None else checks.integer("max_len", max_len)
        weight = self.token_embedding.weight
        caches = []
        for block in self.blocks:
            attention: Any = block.self_attn
            shape = (batch_size, attention.num_kv_heads, room, attention.head_dim)
            caches.append(KVCache(*shape, device=weight.device, dtype=product_dtype(weight)))
        return LanguageState(caches, padding)

    def step(self, tokens: Int[Tensor, " B"], state: LanguageState) -> tuple[Float[Tensor, "B V"], LanguageState]:
        """One token more a row: the scores of what follows it, and the state that has seen it."""
        return self(tokens[:, None], state)[:, -1], state
