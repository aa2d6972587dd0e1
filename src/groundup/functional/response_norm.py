"""Local response normalisation: channels that inhibit their neighbours.

Legend: N batch, C channels, n the number of neighbouring channels (`size`).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from groundup.backend import fused_by
from groundup.functional.precision import widen
from groundup.kernels import norm as kernels
from groundup.rules import norms as rules


@fused_by(kernels.local_response_norm, rules.local_response_norm)
def local_response_norm(
    x: Float[Tensor, "N C *rest"], size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Float[Tensor, "N C *rest"]:
    """b_i = a_i / (k + α/n Σ_j a_j²)^β at each position, over the n channels j from i - ⌊n/2⌋ to i + ⌊(n - 1)/2⌋.

    Why: a channel with a large response makes its neighbours smaller, so that channels compete to be active. Later
    networks left it out: batch normalisation serves the same end better.

    Args:
        x: a; channels outside 0 … C - 1 count as zero.
        size: n.
        alpha, beta, k: α, β and k of the equation.

    Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, section 3.3.
    Differs from the paper: its sum is not divided by n, PyTorch's and Caffe's is. The paper's n = 5, k = 2, α = 10⁻⁴,
    β = 0.75 is therefore `local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)`.

    Example:
        >>> import torch
        >>> local_response_norm(torch.ones(1, 3, 1), 3, alpha=3.0, beta=1.0).flatten()
        tensor([0.3333, 0.2500, 0.3333])
    """
    a = widen(x)
    before, after = size // 2, (size - 1) // 2
    squares = a.new_zeros(a.size(0), before + a.size(1) + after, *a.shape[2:])
    squares[:, before : before + a.size(1)] = a * a
    total = squares.unfold(1, size, 1).sum(-1)  # N, C, *rest: the sums over windows of n channels
    return (a / (k + alpha / size * total) ** beta).to(x.dtype)
