"""Local response normalisation.

Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, section 3.3.

Legend: N batch, C channels.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.response_norm import local_response_norm


@component(
    8,
    "divides each channel by the activity of its neighbours",
    paper=(
        "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, "
        "https://papers.nips.cc/paper/4824"
    ),
    oracle="torch.nn.LocalResponseNorm",
    example="LocalResponseNorm(5)(torch.randn(1, 96, 27, 27))",
)
class LocalResponseNorm(nn.Module):
    """b_i = a_i / (k + α/n Σ_j a_j²)^β, with the sum over the n channels around channel i

    Why: a channel with a large response lowers its neighbours, so that the channels at a pixel compete. Batch
    normalisation has replaced it.

    Args:
        size: n.
        alpha, beta, k: α, β and k.

    x (N, C, ...). A drop-in for `torch.nn.LocalResponseNorm`.

    Differs from the paper: PyTorch divides α by n, AlexNet's formula does not. The paper's n = 5, k = 2, α = 10⁻⁴,
    β = 0.75 is LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0).

    Example:
        >>> import torch
        >>> LocalResponseNorm(5)(torch.randn(1, 96, 27, 27)).shape
        torch.Size([1, 96, 27, 27])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = checks.integer("size", size)
        self.alpha = checks.real("alpha", alpha)
        self.beta = checks.real("beta", beta)
        self.k = checks.real("k", k)

    def forward(self, x: Float[Tensor, "N C *rest"]) -> Float[Tensor, "N C *rest"]:
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
