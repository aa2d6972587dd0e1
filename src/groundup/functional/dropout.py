"""Dropout. Srivastava et al. 2014, JMLR 15, section 4 and (for the scaling at training time) section 10."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import dropout as kernels


def _check(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> None:
    checks.floating("x", x)
    checks.probability("p", p)


@fused_by(kernels.dropout, check=_check)
def dropout(
    x: Float[Tensor, "*shape"],
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """y = x r / (1 - p), r ~ Bernoulli(1 - p) for each element; the identity when not training.

    Dividing while training ("inverted" dropout) keeps E[y] = x, so that nothing is scaled at test time.
    p: the probability of dropping, in [0, 1]. generator: the source of r, the global one if None.
    """
    if not training or p == 0:
        return x
    if p == 1:
        kept = torch.zeros_like(x)  # not 0 / 0
    else:
        kept = torch.empty_like(x).bernoulli_(1 - p, generator=generator) / (1 - p)
    return x.mul_(kept) if inplace else x * kept
