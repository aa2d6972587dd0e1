"""Squeeze and excitation: each channel of an image is scaled by a gate that depends on the whole image.

Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507, section 3.

Legend: N batch, C channels, r the reduction ratio, (H, W) the size of a feature map.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.activations import relu, sigmoid
from groundup.layers.linear import Linear


@component(
    20,
    "squeeze-and-excitation: scales the channels by global context",
    paper="Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507",
    oracle="torchvision, timm",
    example="SEGate(64)(torch.randn(1, 64, 28, 28))",
)
class SEGate(nn.Module):
    """x̃ = s ⊗ x,  s = σ(W₂ relu(W₁ z + b₁) + b₂),  z_c = Σ x_c / (H W)                     (equations 2, 3 and 4)

    Why: a convolution sees a small window. The mean z sees the whole image, and with it the network can raise the
    channels that matter for this image and lower the others. Why the bottleneck of C / r units: two full matrices would
    have 2 C² weights, this has 2 C² / r.

    Args:
        channels: C, a multiple of r.
        reduction: r; 16 in the paper.
        bias: False leaves out b₁ and b₂, which the authors found to help later.
        device, dtype: of the parameters.

    x and x̃ (N, C, H, W);  z and s (N, C);  W₁ (C / r, C) is `fc1` and W₂ (C, C / r) is `fc2`. In a residual network
    the gate comes before the addition (figure 3).

    Example:
        >>> SEGate(64)(torch.randn(1, 64, 28, 28)).shape
        torch.Size([1, 64, 28, 28])
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = checks.integer("channels", channels)
        self.reduction = checks.integer("reduction", reduction)
        checks.require(
            channels % reduction == 0, f"channels must be divisible by reduction={reduction}, got {channels}"
        )
        self.fc1 = Linear(channels, channels // reduction, bias, device, dtype)
        self.fc2 = Linear(channels // reduction, channels, bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise W₁ and W₂ from N(0, 2 / fan_in) (He et al. 2015, as in section 5 of the paper), b₁ and b₂ to 0."""
        for layer in (self.fc1, self.fc2):
            init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                init.constant_(layer.bias, 0.0)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        fits = isinstance(x, Tensor) and x.is_floating_point() and x.dim() == 4 and x.size(1) == self.channels
        if not fits:  # fc1 sees only the means
            checks.channels("x", checks.rank("x", checks.floating("x", x), 4, layout="(N, C, H, W)"), self.channels)
        z = x.mean((2, 3))  # squeeze: N, C
        s = sigmoid(self.fc2(relu(self.fc1(z))))  # excitation: N, C
        return x * s[:, :, None, None]

    def extra_repr(self) -> str:
        return f"{self.channels}, reduction={self.reduction}"
