"""Positions: sinusoids added to embeddings, rotations of queries and keys, and a learned bias for each offset.

Vaswani et al. 2017, arXiv:1706.03762; Su et al. 2021, arXiv:2104.09864; Liu et al. 2021, arXiv:2103.14030.
Legend: B batch, H heads, T tokens, E embed_dim, D head_dim, p a position.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.dropout import dropout
from groundup.functional.positions import frequencies, relative_index, rotary, sinusoids, token_positions


class _Derived(nn.Module):
    """Buffers that are computed from the hyperparameters: not saved, and computed again after every move or cast.

    Why: `.half()` would round them, and `.to_empty()` would leave them uninitialised.
    """

    def derive(self, device: torch.device | None) -> None:
        raise NotImplementedError

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        self.derive(next(self.buffers()).device)
        return self


class _PositionTable(_Derived):
    """A function of the position. The first `max_len` rows are kept in float32; others are computed when needed.

    Inputs in float64 get rows computed in float64.
    """

    table: Tensor

    def __init__(self, features: int, max_len: int, base: float, device: torch.device | str | None) -> None:
        super().__init__()
        self.features, self.max_len = features, checks.integer("max_len", max_len)
        self.base = checks.real("base", base, 0.0)
        checks.require(base > 0, f"base must be positive, got {base}")
        self.register_buffer("table", torch.empty(0, device=device), persistent=False)
        self.derive(self.table.device)

    def derive(self, device: torch.device | None) -> None:
        self.table = self.compute(torch.arange(self.max_len, device=device)).float()

    def compute(self, positions: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape features"]:
        """Compute the rows of these positions, in float64."""
        raise NotImplementedError

    def rows(self, x: Tensor, position: int | Tensor) -> Float[Tensor, "*B T features"]:
        """Return the rows for x (B, ..., T, features), whose tokens are at `position`."""
        length, wide = x.size(-2), x.dtype == torch.float64
        if type(position) is int and 0 <= position <= self.max_len - length and not wide:
            return self.table[position : position + length]
        positions = token_positions(position, length, x.size(0), x.device)
        return self.compute(positions).to(torch.float64 if wide else torch.float32)


@component(
    39,
    "adds sinusoids of the position",
    paper="Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762",
    oracle="a loop over positions",
    example="PositionalEncoding(64, 512)(torch.randn(1, 10, 64))",
)
class PositionalEncoding(_PositionTable):
    """y = dropout(x + PE[p]), PE(p, 2i) = sin(p / 10000^(2i/E)), PE(p, 2i+1) = cos(p / 10000^(2i/E))

    Why: see `groundup.functional.sinusoids`. Without positions, attention would see a set of tokens, not a sequence.

    Args:
        embed_dim: E.
        max_len: how many rows are kept; later positions are computed when needed, because sinusoids have no end.
        dropout: the probability of dropping an element of the sum, in training mode.
        device: of the table.

    Vaswani et al. 2017, section 3.5. Differs from the paper: the scaling of embeddings by √E belongs to the model.

    Example:
        >>> PositionalEncoding(embed_dim=4, max_len=10)(torch.zeros(1, 1, 4))
        tensor([[[0., 1., 0., 1.]]])
    """

    def __init__(
        self, embed_dim: int, max_len: int, dropout: float = 0.0, device: torch.device | str | None = None
    ) -> None:
        super().__init__(checks.integer("embed_dim", embed_dim), max_len, 10000.0, device)
        self.dropout = checks.probability("dropout", dropout)

    def compute(self, positions: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape E"]:
        return sinusoids(positions, self.features, self.base)

    def forward(self, x: Float[Tensor, "B T E"], position: int | Int[Tensor, "..."] = 0) -> Float[Tensor, "B T E"]:
        """Add the rows of the tokens' positions.

        Args:
            x: (B, T, E).
            position: of the first token, an int or a tensor (B,); or of every token, a tensor (B, T).
        """
        if not isinstance(x, Tensor) or x.dim() != 3 or x.size(-1) != self.features:
            checks.rank("x", checks.floating("x", x), 3, layout="(B, T, E)")
            checks.size("x", x, -1, self.features, "features (embed_dim)")
        y = x + self.rows(x, position).to(x.dtype)
        return dropout(y, self.dropout, self.training)

    def extra_repr(self) -> str:
        return f"{self.features}, max_len={self.max_len}, dropout={self.dropout}"


@component(
    40,
    "rotates queries and keys by their position",
    paper="Su et al. 2021, RoFormer, arXiv:2104.09864",
    oracle="transformers' Llama; complex numbers",
    example="RotaryEncoding(32, 512)(torch.randn(1, 8, 10, 32))",
)
class RotaryEncoding(_PositionTable):
    """R_p x: pair i of the features of the token at position p, rotated by the angle p · base^(-2i/D)

    Why: see `groundup.functional.rotary`: scores depend on the distance of two tokens, and nothing is learned.

    Args:
        head_dim: D, even.
        max_len: how many angles are kept; those of later positions are computed when needed.
        base: of the angles.
        interleaved: True pairs neighbours (2i, 2i+1), as the paper and Meta's weights do; False pairs (i, i + D/2), as
            Hugging Face's weights do. The two are one function up to the order of the rows of the projections.
        device: of the table.

    Su et al. 2021, section 3.

    Example:
        >>> rotary, q = RotaryEncoding(head_dim=4, max_len=10), torch.ones(1, 1, 2, 4)
        >>> torch.equal(rotary(q)[:, :, 0], q[:, :, 0])  # position 0 is not rotated
        True
    """

    def __init__(
        self,
        head_dim: int,
        max_len: int,
        base: float = 10000.0,
        interleaved: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        checks.require(
            checks.integer("head_dim", head_dim, 2) % 2 == 0, f"head_dim must be even (pairs rotate), got {head_dim}"
        )
        super().__init__(head_dim, max_len, base, device)
        self.interleaved = interleaved

    def compute(self, positions: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape D"]:
        angles = positions[..., None] * frequencies(self.features, self.base, positions.device)
        return torch.cat([angles.cos(), angles.sin()], -1)

    def forward(self, x: Float[Tensor, "B H T D"], position: int | Int[Tensor, "..."] = 0) -> Float[Tensor, "B H T D"]:
        """Rotate queries or keys x (B, H, T, D), of any floating type, whose tokens are at `position`."""
        if not isinstance(x, Tensor) or x.dim() != 4 or x.size(-1) != self.features:
            checks.rank("x", checks.floating("x", x), 4, layout="(B, H, T, D)")
            checks.size("x", x, -1, self.features, "features (head_dim)")
        return self.at(x, position)(x, position)

    def at(self, x: Float[Tensor, "B ... T _"], position: int | Int[Tensor, "..."]) -> Callable[[Tensor, Any], Tensor]:
        """Return a function that rotates queries and keys at the positions of x's tokens: one look-up for all."""
        rows = self.rows(x, position)  # T, D or B, T, D
        cos, sin = (rows[:, None] if rows.dim() == 3 else rows).chunk(2, -1)
        return lambda heads, _: rotary(heads, cos, sin, self.interleaved)

    def extra_repr(self) -> str:
        return f"{self.features}, max_len={self.max_len}, base={self.base}, interleaved={self.interleaved}"


@component(
    42,
    "a learned bias for each relative offset",
    paper="Liu et al. 2021, Swin Transformer, arXiv:2103.14030",
    oracle="a loop over pairs",
    example="RelativePositionBias2d(7, 7, 3)()",
)
class RelativePositionBias2d(_Derived):
    """B (H, n, n), n = height · width: B_h(i, j) = table[offset of position i from position j, h], added to the scores

    Why: all pairs of positions with one offset share one learned number per head, so that a pattern learned in one
    corner of a window holds everywhere in it.

    Args:
        height, width: of the window.
        num_heads: H.
        device, dtype: of the table ((2 height - 1)(2 width - 1), H), which is drawn from N(0, 0.02²).

    Liu et al. 2021 (Swin), section 3.2, equation 4.

    Example:
        >>> RelativePositionBias2d(7, 7, num_heads=3)().shape
        torch.Size([3, 49, 49])
    """

    index: Tensor

    def __init__(
        self,
        height: int,
        width: int,
        num_heads: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.height, self.width = checks.integer("height", height), checks.integer("width", width)
        self.num_heads = checks.integer("num_heads", num_heads)
        offsets = (2 * height - 1) * (2 * width - 1)
        self.table = nn.Parameter(torch.empty(offsets, num_heads, device=device, dtype=dtype))
        self.register_buffer("index", torch.empty(0, dtype=torch.int64, device=device), persistent=False)
        self.derive(self.index.device)
        self.reset_parameters()

    def derive(self, device: torch.device | None) -> None:
        self.index = relative_index(self.height, self.width, device)

    def reset_parameters(self) -> None:
        init.trunc_normal_(self.table, std=0.02)

    def forward(self) -> Float[Tensor, "H n n"]:
        return self.table[self.index].permute(2, 0, 1)

    def extra_repr(self) -> str:
        return f"{self.height}, {self.width}, num_heads={self.num_heads}"
