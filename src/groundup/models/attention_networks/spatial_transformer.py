"""Spatial transformers: a network that rotates, moves and scales its own input before it reads it.

Jaderberg et al. 2015, Spatial Transformer Networks, arXiv:1506.02025.

    image U ─┬─ localisation network ─ θ ─ grid T_θ(G) ─┐
             └────────────────────────────────────── sampler ─ V ─ classifier
Shapes: N batch, C channels, (H, W) input size, (P, Q) output size, K control points.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import affine_grid, grid_sample, init, linear, relu, thin_plate_matrix
from groundup.functional.sampling import regular_grid
from groundup.layers import Flatten, Linear, MaxPool2d, ReLU
from groundup.models.blocks import ConvReLU
from groundup.models.classifier import ImageClassifier

_JADERBERG = "Jaderberg et al. 2015, Spatial Transformer Networks, arXiv:1506.02025"

#: Mode -> θ of the identity; a thin plate has as many numbers as its control points have coordinates.
IDENTITY = {"affine": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "attention": (1.0, 0.0, 0.0)}
MODES = (*IDENTITY, "thin_plate")


@component(
    96,
    "learns to crop, rotate and scale its input image",
    paper=_JADERBERG,
    oracle="torch's affine_grid and grid_sample; a loop over control points",
    example="SpatialTransformer(Flatten(), 784)(torch.randn(1, 1, 28, 28))",
)
class SpatialTransformer(nn.Module):
    """V = U at the places T_θ(G), θ = f_loc(U): x (N, C, H, W) -> (N, C, P, Q), the same for all channels. Section 3.

    Why: a convolutional network knows translations only. Here the network learns to move what matters to the middle,
    upright and of one size, with no other signal than the loss, because sampling has a gradient with respect to θ.
    The layer that computes θ has weights 0 and the identity as its bias: at first the image stays as it is.

    Args:
        localization: a module from x to `features` numbers per sample, of any shape; a linear layer makes θ of them.
        features: their number.
        mode: "affine": six numbers, equation 1. "attention": scale and shift alone, equation 2. "thin_plate": the
            places that K = points² control points, on a regular grid, are taken from.
        output_size: (P, Q), or one number for both; the size of x by default.
        points: control points per axis of a thin plate.
        device, dtype: of the parameters.

    Example:
        >>> from groundup.layers import Flatten
        >>> layer = SpatialTransformer(Flatten(), features=64)
        >>> x = torch.randn(2, 1, 8, 8)
        >>> torch.allclose(layer(x), x, atol=1e-6)
        True
    """

    def __init__(
        self,
        localization: nn.Module,
        features: int,
        mode: str = "affine",
        output_size: int | tuple[int, int] | None = None,
        points: int = 4,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(localization, nn.Module):
            raise TypeError(f"localization must be an nn.Module, got {type(localization).__name__}")
        self.localization = localization
        self.mode = checks.choice("mode", mode, MODES)
        self.output_size = None if output_size is None else checks.pair("output_size", output_size)
        self.points = checks.integer("points", points, 2)
        numbers = 2 * points**2 if mode == "thin_plate" else len(IDENTITY[mode])
        self.theta = Linear(checks.integer("features", features), numbers, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bias = self.theta.bias
        assert bias is not None
        init.constant_(self.theta.weight, 0.0)
        with torch.no_grad():
            identity = self._control(bias).flatten() if self.mode == "thin_plate" else IDENTITY[self.mode]
            bias.copy_(torch.as_tensor(identity))

    def _control(self, like: Tensor) -> Float[Tensor, "K 2"]:
        return regular_grid((self.points, self.points), like).flatten(0, 1)

    def grid(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N P Q 2"]:
        """Return the places of x that the pixels of the output are taken from."""
        checks.rank("x", checks.floating("x", x), 4, layout="(N, C, H, W)")
        size: Any = self.output_size or tuple(x.shape[2:])
        wide = torch.promote_types(x.dtype, torch.float32)  # in bfloat16 a place would be rounded to 1/128 of the image
        features, bias = self.localization(x).flatten(1), self.theta.bias
        theta = linear(features.to(wide), self.theta.weight.to(wide), None if bias is None else bias.to(wide))
        if self.mode == "thin_plate":
            bend = thin_plate_matrix(self._control(theta.double()), size).to(theta.dtype)  # P Q, K
            return (bend @ theta.unflatten(1, (-1, 2))).unflatten(1, size)
        if self.mode == "attention":
            scale, shift = theta[:, :1, None], theta[:, 1:, None]
            return affine_grid(torch.cat([scale * torch.eye(2).to(theta), shift], 2), size)
        return affine_grid(theta.unflatten(1, (2, 3)), size)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C P Q"]:
        return grid_sample(x, self.grid(x))

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}, output_size={self.output_size}"


@component(
    97,
    "a convolutional network behind a spatial transformer",
    paper=_JADERBERG,
    oracle="the same network in torch.nn",
    example="SpatialTransformerNet()(torch.randn(1, 1, 28, 28))",
)
class SpatialTransformerNet(ImageClassifier):
    """A small convolutional network behind a spatial transformer: x (N, in_channels, S, S) -> scores (N, num_classes).

    The localisation network and the classifier are each twice a 5 × 5 convolution with max pooling, then a linear
    layer. Differs from the paper, which uses networks of other sizes for each of its data sets.

    Args:
        num_classes: the number of scores.
        in_channels: channels of the images.
        image_size: S, a multiple of 4.
        mode: of the transformer; None leaves it out, and only the plain network remains.
        width: channels of the convolutions, in both networks.
        hidden: units of the linear layers before the last.
        points: control points per axis of a thin plate.
        device, dtype: of the parameters.

    Example:
        >>> SpatialTransformerNet()(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {"affine": {}, "attention": {"mode": "attention"}, "thin_plate": {"mode": "thin_plate"}}

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: int = 28,
        mode: str | None = "affine",
        width: int = 16,
        hidden: int = 32,
        points: int = 4,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        self.image_size = checks.integer("image_size", image_size)
        checks.require(image_size % 4 == 0, f"image_size must be a multiple of 4, got {image_size}")
        self.min_size = image_size
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        places = (image_size // 4) ** 2

        def conv(channels: int) -> ConvReLU:
            return ConvReLU(channels, width, 5, padding=2, **factory)

        self.transform: nn.Module = nn.Sequential()
        self.conv1 = conv(in_channels)
        self.pool1 = MaxPool2d(2)
        self.conv2 = conv(width)
        self.pool2 = MaxPool2d(2)
        self.fc = Linear(places * width, hidden, **factory)
        self.head = Linear(hidden, num_classes, **factory)
        if mode is not None:
            localization = nn.Sequential(
                *(conv(in_channels), MaxPool2d(2), conv(width), MaxPool2d(2), Flatten()),
                *(Linear(places * width, hidden, **factory), ReLU()),
            )
            self.transform = SpatialTransformer(localization, hidden, mode, points=points, **factory)

    def check_images(self, x: Tensor) -> None:
        super().check_images(x)
        if x.shape[2:] != (self.image_size, self.image_size):
            raise ValueError(f"x must be {self.image_size} pixels high and wide, got {x.size(2)} × {x.size(3)}")

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N width P Q"]:
        """Compute the map that the head reads."""
        # In the column, images of 28 × 28.
        x = self.transform(x)  # -> 1, 28, 28
        x = self.conv1(x)  #     -> 16, 28, 28
        x = self.pool1(x)  #     -> 16, 14, 14
        x = self.conv2(x)  #     -> 16, 14, 14
        return self.pool2(x)  #  -> 16, 7, 7

    def forward_head(self, x: Float[Tensor, "N width P Q"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        """Compute the scores of a feature map; with `pre_logits`, return the hidden layer."""
        x = relu(self.fc(x.flatten(1)))  # 32
        return x if pre_logits else self.head(x)  # -> 10

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))
