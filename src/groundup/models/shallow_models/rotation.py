"""The coordinates in which the convex models are solved: the features, centred and turned onto their principal axes.

    X - x̄ = U S Vᵀ      w = V S⁻¹ φ      z = U φ + β      ‖w‖² = Σ φ² / s²

A turn changes neither the scores nor ‖w‖, so that the model and its penalty are the same; but U's columns are
orthonormal. Features of wildly different scales (breast cancer's range from 0.001 to 1,000), features that are
constant or copies of others, and more features than samples: none of them can slow a solver down any more.
Where features are linearly dependent, many w give the same scores; this one is the shortest.

Legend: N samples, D features, R rank, K scores a sample.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Rotation(NamedTuple):
    """The thin singular value decomposition of the centred features."""

    mean: Float[Tensor, " D"]
    u: Float[Tensor, "N R"]
    s: Float[Tensor, " R"]
    v: Float[Tensor, "R D"]

    def features(self) -> Float[Tensor, "N P"]:
        """[U | 1]: what takes the place of x; the last column is the bias's."""
        return torch.cat([self.u, self.u.new_ones(len(self.u), 1)], 1)

    def penalty(self, strength: float) -> Float[Tensor, " P"]:
        """p in ½ Σ p φ² = ½ strength ‖w‖²; the bias is free."""
        return torch.cat([strength / self.s**2, self.s.new_zeros(1)])

    def back(self, phi: Float[Tensor, "K P"]) -> tuple[Float[Tensor, "K D"], Float[Tensor, " K"]]:
        """(weight, bias) for x itself."""
        weight = (phi[:, :-1] / self.s) @ self.v
        return weight, phi[:, -1] - weight @ self.mean


def rotate(x: Float[Tensor, "N D"]) -> Rotation:
    """Singular values at rounding's level, ε max(N, D) s₁, are taken for zero."""
    mean = x.mean(0)
    u, s, v = torch.linalg.svd(x - mean, full_matrices=False)
    kept = s > torch.finfo(x.dtype).eps * max(x.shape) * s.max()
    return Rotation(mean, u[:, kept], s[kept], v[kept])
