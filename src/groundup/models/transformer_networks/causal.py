"""The shared base of causal language models, GPT-2, GPT-3 and LLaMA: decoding with a cache, and loading weights.

    logits = model(tokens)                              (B, T, V): scores of the token after each token
    state = model.begin(batch_size, max_len)            then `model(tokens, state)`, any number of tokens at a time
    logits, state = model.step(tokens, state)           one token per row, as `groundup.generation` calls it

Shapes: B batch, T tokens, n tokens seen so far including these, E embed_dim, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.functional import init
from groundup.layers import Embedding, KVCache, Linear
from groundup.layers.cache import product_dtype
from groundup.models.presets import Presets
from groundup.weights.pretrained_language import PretrainedLanguageModel


class LanguageState(NamedTuple):
    """The tokens a model has seen: the keys and values of every block, and the padding (B,) that each row starts with.

    Example:
        >>> from groundup.models import GPT2
        >>> model = GPT2(vocab_size=11, context=12, embed_dim=8, num_layers=1, num_heads=2)
        >>> state = model.begin(batch_size=3)
        >>> model(torch.zeros(3, 5, dtype=torch.int64), state).shape, state.length
        (torch.Size([3, 5, 11]), 5)
    """

    caches: list[KVCache]
    padding: Tensor | None = None

    @property
    def length(self) -> int:
        """The number of tokens seen, padding included."""
        return self.caches[0].length


class CausalLanguageModel(PretrainedLanguageModel, Presets, nn.Module):
    """Base class of models tokens (B, T) -> logits (B, T, V); a subclass builds `blocks` and `norm` and its `forward`.

    Args:
        vocab_size: V.
        context: the largest number of tokens, of a call or of a state.
        embed_dim: E.
        tie_embeddings: whether the head multiplies with the matrix of the embedding, which saves V E parameters.
        factory: `device` and `dtype` of the parameters.
    """

    blocks: nn.ModuleList
    norm: nn.Module

    def __init__(self, vocab_size: int, context: int, embed_dim: int, tie_embeddings: bool, **factory: Any) -> None:
        super().__init__()
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        self.context = checks.integer("context", context)
        self.embed_dim = checks.integer("embed_dim", embed_dim)
        if not isinstance(tie_embeddings, bool):  # the string "false", read from a file, would tie them
            raise TypeError(f"tie_embeddings must be True or False, got {tie_embeddings!r}")
        self.token_embedding = Embedding(vocab_size, embed_dim, **factory)
        self.head = None if tie_embeddings else Linear(embed_dim, vocab_size, bias=False, **factory)

    def reset_parameters(self) -> None:
        """Draw matrices from N(0, 0.02²) and set biases to 0."""
        for part in self.modules():
            if isinstance(part, (Linear, Embedding)):
                init.normal_(part.weight, std=0.02)
                if isinstance(part, Linear) and part.bias is not None:
                    init.constant_(part.bias, 0.0)

    @property
    def head_weight(self) -> Tensor:
        """The matrix (V, E) that makes the scores: the embedding's if they are tied."""
        return self.token_embedding.weight if self.head is None else self.head.weight

    @property
    def gradient_checkpointing(self) -> bool:
        """True if a training step keeps only the inputs of the blocks, and recomputes a block for its gradients.

        Chen et al. 2016, arXiv:1604.06174. Set it to train in less memory, for about a third more computation.
        """
        first: Any = self.blocks[0]
        return bool(first.recompute)

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, value: bool) -> None:
        block: Any
        for block in self.blocks:
            block.recompute = value

    def locate(
        self, tokens: Int[Tensor, "B T"], state: LanguageState | None
    ) -> tuple[int | Int[Tensor, "B T"], Tensor | None, list[KVCache | None]]:
        """Return the position of the first token, or of every token, the mask of the padding, and a cache per block."""
        checks.rank("tokens", checks.indices("tokens", tokens, self.vocab_size, "vocab_size"), 2, layout="(B, T)")
        seen = 0 if state is None else state.length
        if seen + tokens.size(1) > self.context:
            raise ValueError(
                f"tokens must end within context={self.context}, got {tokens.size(1)} after {seen}: give fewer of them,"
                " or generate with past_context='slide'"
            )
        if state is None:
            return 0, None, [None] * len(self.blocks)
        if len(state.caches) != len(self.blocks):
            raise ValueError(
                f"state must come from this model's begin(), with {len(self.blocks)} caches, one per block, got "
                f"{len(state.caches)}"
            )
        if state.padding is None:
            return seen, None, [*state.caches]
        places = torch.arange(seen + tokens.size(1), device=tokens.device) - state.padding[:, None]  # B, n
        real = (places >= 0)[:, None, None]  # B, 1, 1, n
        return places[:, seen:].clamp(min=0), real, [*state.caches]

    def begin(
        self, batch_size: int, max_len: int | None = None, padding: Int[Tensor, " B"] | None = None
    ) -> LanguageState:
        """Return the state before the first token.

        Args:
            batch_size: B, the number of rows.
            max_len: the number of tokens that the state has room for; the context by default.
            padding: the number of padding tokens that each row starts with; no token attends to them.
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
        """Read one more token per row; return the scores of the next token, and the state."""
        return self(tokens[:, None], state)[:, -1], state
