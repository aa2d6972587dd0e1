"""LeNet-5. LeCun, Bottou, Bengio, Haffner 1998, Gradient-Based Learning Applied to Document Recognition, section II-B.

    image 32 × 32 ─ C1 5×5 conv ─ S2 subsample ─ C3 5×5 conv ─ S4 subsample ─ C5 5×5 conv ─ F6 linear ─ output
                    6 × 28 × 28   6 × 14 × 14    16 × 10 × 10  16 × 5 × 5     120           84          10

C3 receives only some of S2's maps (table I), S2 and S4 have trainable weights, every unit up to F6 is squashed by
1.7159 tanh(2x/3), and the output measures the distance of F6 from a 7 × 12 picture of each digit. 60,000 parameters.

Why convolutions: a stroke looks the same wherever it is, so that one small kernel can find it everywhere; a linear
layer would have to learn it again for each place. Why subsampling: the exact place of a stroke varies from writer to
writer and matters less with each layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import avg_pool2d, conv2d, init, relu, scaled_tanh, tanh
from groundup.layers import AvgPool2d, Conv2d, Linear, MaxPool2d
from groundup.models.classifier import ConvolutionalClassifier

#: Figure 3: a picture per digit, which F6 should reproduce; ink is +1, paper -1. Why not one-of-ten codes: there every
#: unit would have to be off for nine of ten classes. With pictures, digits that look alike also have similar codes.
DIGIT_PICTURES = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...##..  .#####.  .#####.  ....##.  #######  ..####.  #######  .#####.  .#####.
.##.##.  ..###..  ##...##  ##...##  ...###.  ##.....  .##....  #....##  ##...##  ##...##
##...##  .####..  .....##  .....##  ..####.  ##.....  ##.....  .....##  ##...##  ##...##
##...##  ...##..  .....##  .....##  .##.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  ....##.  ..####.  ##..##.  ######.  ######.  ....##.  .#####.  ##...##
##...##  ...##..  ...##..  .....##  ##..##.  .....##  ##...##  ...##..  ##...##  .######
##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ...##..  ##...##  .....##
##...##  ...##..  .##....  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  ##.....  ##...##  ....##.  ##...##  ##...##  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  ....##.  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""
#: (10, 84): row d is the picture of digit d, row by row.
DIGIT_CODES: tuple[tuple[float, ...], ...] = tuple(
    tuple(1.0 if dot == "#" else -1.0 for line in DIGIT_PICTURES.split("\n") if line for dot in line.split()[digit])
    for digit in range(10)
)
#: Table I: the maps of S2, of six, that each of the sixteen maps of C3 receives.
C3_TABLE: tuple[tuple[int, ...], ...] = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),  # three in a row, cyclically
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),  # four in a row
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),  # four, in two pairs
    (0, 1, 2, 3, 4, 5),  # all
)
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"scaled_tanh": scaled_tanh, "tanh": tanh, "relu": relu}
SUBSAMPLINGS = ("trainable", "average", "max")


class PartialConv2d(nn.Module):
    """A convolution whose output map o receives only the input maps `table[o]`; other connections have no parameters.

    weight (connections, k, k), in the order of the table; bias (outputs,). Why: different inputs make the maps extract
    different features, and fewer connections cost less (section II-B).
    """

    connection: Tensor

    def __init__(self, in_channels: int, table: tuple[tuple[int, ...], ...], kernel_size: int) -> None:
        super().__init__()
        self.in_channels, self.table = in_channels, table
        connections = sum(map(len, table))
        self.register_buffer("connection", torch.empty(connections, dtype=torch.int64), persistent=False)
        self.weight = nn.Parameter(torch.empty(connections, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(len(table)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        place = [o * self.in_channels + i for o, inputs in enumerate(self.table) for i in inputs]
        self.connection.copy_(torch.tensor(place))
        inputs = torch.tensor([len(row) for row in self.table])
        fan_in = inputs * self.weight[0].numel()
        init.lecun_uniform_(self.weight, fan_in.repeat_interleave(inputs, output_size=len(place))[:, None, None])
        init.lecun_uniform_(self.bias, fan_in)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        k = self.weight.size(-1)
        dense = self.weight.new_zeros(len(self.table) * self.in_channels, k, k)
        dense = dense.index_copy(0, self.connection, self.weight)
        return conv2d(x, dense.view(len(self.table), self.in_channels, k, k), self.bias)


class Subsampling(nn.Module):
    """y = f(w Σ + b) at half the resolution, Σ the sum of a 2 × 2 window; one w and one b per map, both trained."""

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.lecun_uniform_(self.weight, 4)
        init.lecun_uniform_(self.bias, 4)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H//2 W//2"]:
        total = avg_pool2d(x, 2, divisor_override=1)
        return self.activation(self.weight[:, None, None] * total + self.bias[:, None, None])


class RadialBasisOutput(nn.Module):
    """scores_i = -Σ_j (x_j - w_ij)², the negative of the paper's penalty y_i: the largest is the best    (equation 7)

    w (classes, features) holds fixed codes of -1 and +1, a buffer.
    """

    codes: Tensor

    def __init__(self, codes: Float[Tensor, "classes features"]) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x: Float[Tensor, "N features"]) -> Float[Tensor, "N classes"]:
        return -((x[:, None, :] - self.codes) ** 2).sum(-1)


@component(
    79,
    "the digit classifier of 1998",
    paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, doi:10.1109/5.726791",
    oracle="the same network in torch.nn, with a dense, masked C3",
    example="LeNet5()(torch.randn(1, 1, 32, 32))",
    figures={
        "trainable parameters": "60,000",
        "connections": "340,908 (with biases and subsampling; C3's table leaves 150,000 of its 240,000 products)",
    },
)
class LeNet5(ConvolutionalClassifier):
    """Images (N, in_channels, 32, 32) → scores (N, num_classes); the largest is the predicted class.

    The paper's images have background -0.1 and ink 1.175: mean about 0, variance about 1.
    Every weight is initialised uniformly in ±2.4 / fan-in (appendix A).
    Differs from the paper: the digits' codes are drawn after figure 3, whose pixels are not published as data.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image.
        connection: the connections of C3: "partial" (table I) or "full".
        subsampling: "trainable", or without parameters, "average" or "max".
        activation: "scaled_tanh", "tanh" or "relu".
        output: "rbf", distances to `codes`, or "linear".
        codes: (num_classes, 84) of -1 and +1; by default those of the ten digits.
        device, dtype: of the parameters.

    Example:
        >>> LeNet5()(torch.randn(2, 1, 32, 32)).shape
        torch.Size([2, 10])
    """

    presets: ClassVar = {
        "paper": {},  # 60,000 parameters
        "paper_linear": {"output": "linear"},  # 60,850
        "simplified": {  # 61,706: the form that most tutorials show
            "connection": "full",
            "subsampling": "average",
            "activation": "tanh",
            "output": "linear",
        },
    }
    input_sizes: ClassVar = dict.fromkeys(presets, (1, 32, 32))
    classifier = "output"
    min_size = 32

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        connection: str = "partial",
        subsampling: str = "trainable",
        activation: str = "scaled_tanh",
        output: str = "rbf",
        codes: Float[Tensor, "classes features"] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels)
        checks.choice("connection", connection, ("partial", "full"))
        checks.choice("subsampling", subsampling, SUBSAMPLINGS)
        checks.choice("activation", activation, tuple(ACTIVATIONS))
        checks.choice("output", output, ("rbf", "linear"))
        self.activation = ACTIVATIONS[activation]

        def subsample(channels: int) -> nn.Module:
            if subsampling == "trainable":
                return Subsampling(channels, activation)
            return AvgPool2d(2) if subsampling == "average" else MaxPool2d(2)

        self.c1 = Conv2d(in_channels, 6, 5)
        self.s2 = subsample(6)
        self.c3 = PartialConv2d(6, C3_TABLE, 5) if connection == "partial" else Conv2d(6, 16, 5)
        self.s4 = subsample(16)
        self.c5 = Conv2d(16, 120, 5)
        self.f6 = Linear(120, 84)
        if output == "rbf":
            self.output: nn.Module = RadialBasisOutput(_check_codes(codes, num_classes))
        else:
            checks.require(codes is None, 'codes belong to output="rbf"; leave them out with output="linear"')
            self.output = Linear(84, num_classes)
        self.reset_parameters()
        self.to(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        for layer in self.children():
            if isinstance(layer, (Conv2d, Linear)):
                fan_in = layer.weight[0].numel()
                init.lecun_uniform_(layer.weight, fan_in)
                if layer.bias is not None:
                    init.lecun_uniform_(layer.bias, fan_in)
            elif isinstance(layer, (PartialConv2d, Subsampling)):
                layer.reset_parameters()

    def check_images(self, x: Tensor) -> None:
        checks.rank("x", checks.floating("x", x), 4, layout="(N, C, 32, 32)")
        if x.shape[2:] != (32, 32):
            raise ValueError(
                f"x must be 32 × 32 pixels for LeNet5, got {x.size(2)} × {x.size(3)}: pad 28 × 28 images by 2, "
                "resize others"
            )
        super().check_images(x)

    def forward_features(self, x: Float[Tensor, "N C 32 32"]) -> Float[Tensor, "N 120 1 1"]:
        x = self.activation(self.c1(x))  # -> 6, 28, 28
        x = self.s2(x)  #                   -> 6, 14, 14
        x = self.activation(self.c3(x))  # -> 16, 10, 10
        x = self.s4(x)  #                   -> 16, 5, 5
        x = self.activation(self.c5(x))  # -> 120, 1, 1
        return x

    def forward_head(self, x: Float[Tensor, "N 120 1 1"], pre_logits: bool = False) -> Float[Tensor, "N _"]:
        x = self.activation(self.f6(x.flatten(1)))  #  -> 84
        return x if pre_logits else self.output(x)  # -> 10

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a new one for `num_classes` classes; raise `ValueError` with output="rbf"."""
        checks.require(
            not isinstance(self.output, RadialBasisOutput),
            'output="rbf" compares with fixed codes and has nothing to learn: build the model with codes of '
            'shape (num_classes, 84), or with output="linear"',
        )
        super().reset_classifier(num_classes)


def _check_codes(codes: Tensor | None, num_classes: int) -> Tensor:
    """Return the codes, or the digits' if None; raise `ValueError` if they do not fit the classes."""
    if codes is None:
        if num_classes != len(DIGIT_CODES):
            raise ValueError(
                f"codes are built in for {len(DIGIT_CODES)} digits, got num_classes={num_classes}: "
                f'pass codes of shape ({num_classes}, 84), or output="linear"'
            )
        return torch.tensor(DIGIT_CODES)
    if tuple(checks.tensor("codes", codes).shape) != (num_classes, 84):
        raise ValueError(f"codes must have shape ({num_classes}, 84), got {tuple(codes.shape)}")
    return codes.detach().to(torch.get_default_dtype(), copy=True)  # the type of new weights
