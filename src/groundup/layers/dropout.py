"""Dropout of units, and of whole residual branches.

Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 15;
Huang et al. 2016, Deep Networks with Stochastic Depth, arXiv:1603.09382.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.dropout import dropout


@component(
    9,
    "sets random features to zero in training",
    paper="Srivastava et al. 2014, Dropout, https://jmlr.org/papers/v15/srivastava14a.html",
    oracle="torch.nn.Dropout, same seed",
    example="Dropout(0.5)(torch.randn(1, 64))",
)
class Dropout(nn.Module):
    """y = x r / (1 - p), r ~ Bernoulli(1 - p) for each element in training mode; y = x in eval mode.

    Why: see `groundup.functional.dropout`. A drop-in for `torch.nn.Dropout`.

    Args:
        p: the probability of dropping an element.
        inplace: write the result into x.

    Example:
        >>> layer = Dropout(0.5).eval()
        >>> layer(torch.ones(3))
        tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = checks.probability("p", p)
        self.inplace = inplace

    def forward(self, x: Float[Tensor, "*shape"], generator: torch.Generator | None = None) -> Float[Tensor, "*shape"]:
        """Drop elements of x, drawn from `generator`, the global one by default."""
        return dropout(x, self.p, True, self.inplace, generator) if self.training else x

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class StochasticDepth(nn.Module):
    """y = x r / (1 - p), one r ~ Bernoulli(1 - p) for all of a sample in training mode; y = x in eval mode.

    Why: the residual branch of a sample is left out as a whole, so that each step trains a shallower network. Gradients
    reach the first layers more directly, and the full network is an average of many depths.

    Args:
        p: the probability of leaving out the branch x (N, ...).

    Huang et al. 2016, section 3. Differs from the paper, which scales by 1 - p in eval mode instead; E[y] = x in both.

    Example:
        >>> StochasticDepth(0.5).eval()(torch.ones(2, 3)).sum()
        tensor(6.)
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = checks.probability("p", p)

    def forward(self, x: Float[Tensor, "N *rest"]) -> Float[Tensor, "N *rest"]:
        if not self.training or self.p == 0:
            return x
        return x * dropout(x.new_ones(x.size(0), *[1] * (x.dim() - 1)), self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"
