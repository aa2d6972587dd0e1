"""The coordinates in which the convex models are solved: the features, centred and turned onto their principal axes.

    X - x̄ = U S Vᵀ      w = V S⁻¹ φ      z = U φ + β      ‖w‖² = Σ φ² / s²

A rotation changes neither the scores nor ‖w‖, so that the model and its penalty stay the same; but the columns of U are
orthonormal. So a solver is not slowed down by features of different scales (those of breast cancer range from 0.001 to
1,000), by constant or equal features, or by more features than samples. If features are linearly dependent, many w give
the same scores; this is the shortest of them.

Legend: N samples, D features, R rank, K scores per sample.
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
        """Return [U | 1], which replaces x; the last column belongs to the bias."""
        return torch.cat([self.u, self.u.new_ones(len(self.u), 1)], 1)

    def penalty(self, strength: float) -> Float[Tensor, " P"]:
        """Return p with ½ Σ p φ² = ½ strength ‖w‖²; it is 0 for the bias."""
        return torch.cat([strength / self.s**2, self.s.new_zeros(1)])

    def rotate_back(self, phi: Float[Tensor, "K P"]) -> tuple[Float[Tensor, "K D"], Float[Tensor, " K"]]:
        """Return (weight, bias) for x."""
        weight = (phi[:, :-1] / self.s) @ self.v
        return weight, phi[:, -1] - weight @ self.mean


def rotate(x: Float[Tensor, "N D"]) -> Rotation:
    """Return the rotation of x; singular values below ε max(N, D) s₁, which are rounding errors, are left out."""
    mean = x.mean(0)
    u, s, v = torch.linalg.svd(x - mean, full_matrices=False)
    kept = s > torch.finfo(x.dtype).eps * max(x.shape) * s.max()
    return Rotation(mean, u[:, kept], s[kept], v[kept])
