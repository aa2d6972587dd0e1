"""Dropout: units are left out at random while training."""

from __future__ import annotations

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import elementwise as kernels

Probability = Annotated[float, checks.probability]


@fused_by(kernels.dropout)
def dropout(
    x: Float[Tensor, "*shape"],
    p: Probability = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """y = x r / (1 - p), r ~ Bernoulli(1 - p) for each element; y = x when not training.

    Why: a unit that may be missing cannot be relied on, so that units do not learn to correct one another's mistakes on
    the training data. One network then trains as an average of many thinned ones. The division keeps E[y] = x, so that
    nothing has to be scaled at test time ("inverted" dropout; the paper scales the weights at test time instead).

    Args:
        x: any shape.
        p: the probability of dropping an element, in [0, 1].
        training: False returns x.
        inplace: write the result into x.
        generator: the source of r; None is the global one of x's device.

    Srivastava et al. 2014, Dropout, JMLR 15, section 4; the scaling while training: section 10.

    Example:
        >>> y = dropout(torch.ones(1000), 0.5)
        >>> sorted(set(y.tolist()))
        [0.0, 2.0]
    """
    if not training or p == 0:
        return x
    if p == 1:
        kept = torch.zeros_like(x)  # not 0 / 0
    else:
        kept = torch.empty_like(x).bernoulli_(1 - p, generator=generator) / (1 - p)
    return x.mul_(kept) if inplace else x * kept
