"""Activations as layers."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from groundup.functional.activations import relu, scaled_tanh


class ReLU(nn.Module):
    """max(x, 0), any shape; the subgradient at 0 is 0. A drop-in for `torch.nn.ReLU`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return relu(x, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x / 3), LeCun et al. 1998, appendix A: f(±1) = ±1, and the curvature is greatest there."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return scaled_tanh(x)
