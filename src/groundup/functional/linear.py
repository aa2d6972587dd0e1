"""The affine map: a matrix times a vector, plus a shift. Most layers consist of it and a nonlinearity."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from groundup.backend import fused_by
from groundup.kernels import linear as kernels


@fused_by(kernels.linear)
def linear(
    x: Float[Tensor, "*batch in_features"],
    weight: Float[Tensor, "out_features in_features"],
    bias: Float[Tensor, " out_features"] | None = None,
) -> Float[Tensor, "*batch out_features"]:
    """y = x Wᵀ + b: each output is a weighted sum of all inputs.

    Why Wᵀ: samples are rows of x, and each row of W holds the weights of one output. The bias moves the point at which
    an output changes its sign; without it every hyperplane passes through the origin.

    Args:
        x: any number of leading axes.
        weight: W.
        bias: b; None leaves it out.

    Example:
        >>> import torch
        >>> x, weight, bias = torch.ones(2, 3), torch.eye(3), torch.arange(3.0)
        >>> linear(x, weight, bias)
        tensor([[1., 2., 3.],
                [1., 2., 3.]])
    """
    y = x @ weight.mT
    return y if bias is None else y + bias
