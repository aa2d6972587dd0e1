"""Local response normalisation: channels that inhibit their neighbours.

Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, section 3.3.

Legend: N batch, C channels, n the number of neighbouring channels (`size`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import norm as kernels


def _check(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
    checks.integer("size", size)
    checks.floating("x", x)
    if x.dim() < 3:
        raise ValueError(f"x must have shape (N, C, ...) with at least 3 axes, got {x.dim()} axes: {tuple(x.shape)}")


@fused_by(kernels.local_response_norm, check=_check)
def local_response_norm(
    x: Float[Tensor, "N C *rest"], size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Float[Tensor, "N C *rest"]:
    """b_i = a_i / (k + α/n Σ_j a_j²)^β at each position, over the n channels j from i - ⌊n/2⌋ to i + ⌊(n - 1)/2⌋.

    a is `x`, b the result; channels outside 0..C-1 count as zero.
    Differs from the paper: its sum is not divided by n, PyTorch's and Caffe's is. The paper's n = 5, k = 2, α = 10⁻⁴,
    β = 0.75 is therefore `local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)`.
    """
    a = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    before, after = size // 2, (size - 1) // 2
    squares = a.new_zeros(a.size(0), before + a.size(1) + after, *a.shape[2:])
    squares[:, before : before + a.size(1)] = a * a
    total = squares.unfold(1, size, 1).sum(-1)  # N, C, *rest: the windows of n channels, added up
    return (a / (k + alpha / size * total) ** beta).to(x.dtype)
