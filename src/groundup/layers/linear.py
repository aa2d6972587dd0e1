"""The affine map, and the flattening of several axes to one before it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.linear import linear


@component(
    1,
    "y = x Wᵀ + b",
    paper="Rosenblatt 1958, The Perceptron, doi:10.1037/h0042519",
    oracle="torch.nn.Linear",
    example="Linear(64, 32)(torch.randn(1, 64))",
)
class Linear(nn.Module):
    """y = x Wᵀ + b

    Why: each output is a weighted sum of all inputs, the most general linear map. Why b: without it every output is 0
    at x = 0, and every decision boundary passes through the origin.

    Args:
        in_features, out_features: sizes of the last axis of x (..., in_features) and y (..., out_features).
        bias: False leaves out b.
        device, dtype: of the parameters.

    W (out_features, in_features) and b are initialised uniformly in ±1/√in_features, as in PyTorch. A drop-in for
    `torch.nn.Linear`.

    Example:
        >>> Linear(64, 32)(torch.randn(2, 64)).shape
        torch.Size([2, 32])
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features, 0)
        self.out_features = checks.integer("out_features", out_features, 0)
        self.weight = nn.Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_features, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise W and b uniformly in ±1/√in_features."""
        init.inverse_sqrt_uniform_(self.weight, self.in_features)
        if self.bias is not None:
            init.inverse_sqrt_uniform_(self.bias, self.in_features)

    def forward(self, x: Float[Tensor, "*batch in_features"]) -> Float[Tensor, "*batch out_features"]:
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


@component(
    29,
    "merges several axes into one",
    paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, doi:10.1109/5.726791",
    oracle="torch.nn.Flatten",
    example="Flatten()(torch.randn(1, 16, 5, 5))",
)
class Flatten(nn.Module):
    """The axes `start_dim` to `end_dim`, both included, become one axis

    Why: a linear layer reads one axis of features, and a convolution gives three: channels, height and width.

    Args: start_dim, end_dim: the first and the last axis; negative numbers count from the end. The default keeps the
        batch.

    A drop-in for `torch.nn.Flatten`.

    Example:
        >>> Flatten()(torch.randn(2, 16, 5, 5)).shape
        torch.Size([2, 400])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        for name, axis in (("start_dim", start_dim), ("end_dim", end_dim)):
            checks.integer(name, axis, minimum=-64)
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*flat"]:
        axes = x.dim()
        for name, axis in (("start_dim", self.start_dim), ("end_dim", self.end_dim)):
            if not -axes <= axis < axes:
                raise ValueError(f"x must have an axis {axis} ({name}), got {axes} axes: shape {tuple(x.shape)}")
        start, end = self.start_dim % axes, self.end_dim % axes
        if start > end:
            raise ValueError(
                f"start_dim={self.start_dim} comes after end_dim={self.end_dim} for shape {tuple(x.shape)}"
            )
        size = 1
        for s in x.shape[start : end + 1]:  # counted, not -1: a batch of 0 leaves -1 undetermined
            size *= s
        return x.reshape(*x.shape[:start], size, *x.shape[end + 1 :])

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
