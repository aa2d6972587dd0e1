"""Where a token stands: sinusoids, rotations, and the offset between two places of a window.

Legend: B batch, H heads, T places, E embedding features, D head features, p a position, i a pair of features.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import position as kernels


def frequencies(features: int, base: float, device: torch.device | None = None) -> Float[Tensor, " pairs"]:
    """θ_i = base^(-2i / features), i = 0, 1, ..., in float64: from 1 down to nearly 1 / base radians a place."""
    exponents = torch.arange(0, features, 2, dtype=torch.float64, device=device) / features
    return base**-exponents


def sinusoids(positions: Int[Tensor, "*shape"], embed_dim: int, base: float = 10000.0) -> Float[Tensor, "*shape E"]:
    """PE(p, 2i) = sin(p θ_i), PE(p, 2i+1) = cos(p θ_i), in float64: PE(0) is 0, 1, 0, 1, ...

    PE(p + k) is the same rotation of PE(p) for every p. Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
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
    """Turn each pair of features (x_a, x_b) of the token at p by its angle p θ_i:

        x_a' = x_a cos p θ_i - x_b sin p θ_i
        x_b' = x_a sin p θ_i + x_b cos p θ_i

    so that ⟨R_m q, R_n k⟩ depends on n - m alone. Su et al. 2021, arXiv:2104.09864, equations 15 and 34.
    interleaved: pair i is features (2i, 2i+1), as in the paper; else (i, i + D/2), as in Hugging Face's models.
    """
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, -1)
    turned = a * cos - b * sin, a * sin + b * cos
    return (torch.stack(turned, -1).flatten(-2) if interleaved else torch.cat(turned, -1)).to(x.dtype)


def relative_index(height: int, width: int, device: torch.device | None = None) -> Int[Tensor, "HW HW"]:
    """For query i and key j of a window, in reading order, the row of the bias table for their offset:

        (Δy + height - 1) (2 width - 1) + (Δx + width - 1),     Δ = place of i - place of j.

    There are (2 height - 1)(2 width - 1) offsets. Liu et al. 2021, arXiv:2103.14030, section 3.2.
    """
    y = torch.arange(height, device=device).repeat_interleave(width)
    x = torch.arange(width, device=device).repeat(height)
    dy, dx = y[:, None] - y, x[:, None] - x
    return (dy + height - 1) * (2 * width - 1) + (dx + width - 1)


def places(
    position: int | Int[Tensor, "..."], length: int, batch: int, device: torch.device | None = None
) -> Int[Tensor, "*B T"]:
    """The absolute positions of `length` tokens: from the int `position` on, from position[b] on, or as given.

    position: an int for all, a tensor (B,) of first positions, or (B, T) of every token's.
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
