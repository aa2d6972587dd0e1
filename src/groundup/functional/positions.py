"""Positions: sinusoids, rotations, and the offsets between positions of a window.

Why: attention is a sum over tokens, and a sum does not know their order. A position has to be written into the tokens
(sinusoids), into the angle between queries and keys (rotations), or into the scores (offsets).

Legend: B batch, H heads, T tokens, E embedding features, D head features, p a position, i a pair of features.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import checked, fused_by
from groundup.kernels import elementwise as kernels


def frequencies(features: int, base: float, device: torch.device | None = None) -> Float[Tensor, " pairs"]:
    """Return θ_i = base^(-2i / features), i = 0, 1, ..., in float64: 1 to nearly 1 / base radians per position.

    Why a range: fast pairs tell neighbours apart, slow pairs distant parts of a text.
    """
    exponents = torch.arange(0, features, 2, dtype=torch.float64, device=device) / features
    return base**-exponents


@checked()
def sinusoids(positions: Int[Tensor, "*shape"], embed_dim: int, base: float = 10000.0) -> Float[Tensor, "*shape E"]:
    """PE(p, 2i) = sin(p θ_i), PE(p, 2i+1) = cos(p θ_i), in float64.

    Why: PE(p + k) is the same rotation of PE(p) for every p, so that a linear layer can express "k positions before".

    Args:
        positions: p, any integers.
        embed_dim: E; where it is odd, the last cosine is left out.
        base: of the frequencies.

    Vaswani et al. 2017, arXiv:1706.03762, section 3.5.

    Example:
        >>> sinusoids(torch.tensor([0]), 4)
        tensor([[0., 1., 0., 1.]], dtype=torch.float64)
    """
    angles = positions[..., None] * frequencies(embed_dim, base, positions.device)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :embed_dim]


@fused_by(kernels.rotary)
def rotary(
    x: Float[Tensor, "*batch T D"],
    cos: Float[Tensor, "*angles T pairs"],
    sin: Float[Tensor, "*angles T pairs"],
    interleaved: bool = False,
) -> Float[Tensor, "*batch T D"]:
    """Turn each pair of features (x_a, x_b) of the token at p by the angle p θ_i:

        x_a' = x_a cos p θ_i - x_b sin p θ_i
        x_b' = x_a sin p θ_i + x_b cos p θ_i

    Why: rotations keep lengths, and ⟨R_m q, R_n k⟩ depends on n - m alone: scores see how far apart two tokens are, not
    where they are.

    Args:
        x: queries or keys; D is twice the number of pairs.
        cos, sin: of the angles of each token, broadcast over the leading axes of x.
        interleaved: pair i is features (2i, 2i+1), as in the paper; else (i, i + D/2), as in Hugging Face's models.

    Su et al. 2021, RoFormer, arXiv:2104.09864, equations 15 and 34.

    Example:
        >>> quarter_turn = torch.zeros(1, 1), torch.ones(1, 1)
        >>> rotary(torch.tensor([[1.0, 0.0]]), *quarter_turn)
        tensor([[0., 1.]])
    """
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, -1)
    turned = a * cos - b * sin, a * sin + b * cos
    return (torch.stack(turned, -1).flatten(-2) if interleaved else torch.cat(turned, -1)).to(x.dtype)


def relative_index(height: int, width: int, device: torch.device | None = None) -> Int[Tensor, "HW HW"]:
    """Return, for query i and key j of a window in reading order, the row of the bias table for their offset:

        (Δy + height - 1) (2 width - 1) + (Δx + width - 1),     Δ = position of i - position of j.

    There are (2 height - 1)(2 width - 1) offsets. Liu et al. 2021, arXiv:2103.14030, section 3.2.

    Example:
        >>> relative_index(1, 2)
        tensor([[1, 0],
                [2, 1]])
    """
    y = torch.arange(height, device=device).repeat_interleave(width)
    x = torch.arange(width, device=device).repeat(height)
    dy, dx = y[:, None] - y, x[:, None] - x
    return (dy + height - 1) * (2 * width - 1) + (dx + width - 1)


def token_positions(
    position: int | Int[Tensor, "..."], length: int, batch: int, device: torch.device | None = None
) -> Int[Tensor, "*B T"]:
    """Return the absolute positions of `length` tokens.

    Args:
        position: of the first token: an int for all samples, or a tensor (B,); or of every token, a tensor (B, T).
        length: T.
        batch: B.
        device: of the result where `position` is an int.

    Example:
        >>> token_positions(5, length=3, batch=1)
        tensor([5, 6, 7])
    """
    if not isinstance(position, Tensor):
        first = checks.integer("position", position, 0)
        return torch.arange(first, first + length, device=device)
    if position.is_floating_point() or position.dtype == torch.bool:
        raise TypeError(f"position must hold integers, got {position.dtype}")
    shape = tuple(position.shape)
    if shape == (batch, length) or shape == (1, length):
        return position
    if shape == (batch,):
        return position[:, None] + torch.arange(length, device=device)
    raise ValueError(f"position must be an int, or have shape ({batch},) or ({batch}, {length}), got {shape}")
