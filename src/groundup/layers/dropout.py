"""Dropout: Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 15."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional.dropout import dropout


class Dropout(nn.Module):
    """y = x r / (1 - p), r ~ Bernoulli(1 - p) for each element in training mode; the identity in eval mode.

    p: the probability of dropping. A drop-in for `torch.nn.Dropout`; `forward` also takes the generator to draw from.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = checks.probability("p", p)
        self.inplace = inplace

    def forward(self, x: Float[Tensor, "*shape"], generator: torch.Generator | None = None) -> Float[Tensor, "*shape"]:
        return dropout(x, self.p, self.training, self.inplace, generator)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
