"""The affine map."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import linear as kernels


def _check(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> None:
    if checks.floating("x", x).dim() > 0 and x.size(-1) == weight.size(1):
        return
    if x.dim() == 0:
        raise ValueError("x must have shape (..., in_features), got a scalar")
    checks.size("x", x, -1, weight.size(1), "features, as weight (out_features, in_features) has")


@fused_by(kernels.linear, check=_check)
def linear(
    x: Float[Tensor, "*batch in_features"],
    weight: Float[Tensor, "out_features in_features"],
    bias: Float[Tensor, " out_features"] | None = None,
) -> Float[Tensor, "*batch out_features"]:
    """y = x Wᵀ + b: each row of W is one output's weights."""
    y = x @ weight.mT
    return y if bias is None else y + bias
