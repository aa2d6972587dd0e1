"""LeNet-5. LeCun, Bottou, Bengio, Haffner 1998, Gradient-Based Learning Applied to Document Recognition, section II-B.

    image 32 × 32 ─ C1 5×5 conv ─ S2 subsample ─ C3 5×5 conv ─ S4 subsample ─ C5 5×5 conv ─ F6 linear ─ output
                    6 × 28 × 28   6 × 14 × 14    16 × 10 × 10  16 × 5 × 5     120           84          10

C3 sees only some of S2's maps (table I), S2 and S4 are trainable, every unit up to F6 squashes with 1.7159 tanh(2x/3),
and the output measures how far F6 lies from a 7 × 12 picture of each digit. 60,000 trainable parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.functional import avg_pool2d, conv2d, init, relu, scaled_tanh, tanh
from groundup.layers import AvgPool2d, Conv2d, Linear, MaxPool2d
from groundup.models.classifier import ImageClassifier
from groundup.models.convolutional_networks.lenet_codes import DIGIT_CODES

#: Table I: which of S2's six maps each of C3's sixteen sees.
C3_TABLE: tuple[tuple[int, ...], ...] = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),  # three in a row, round the end
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),  # four in a row, likewise
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),  # four, in two pairs
    (0, 1, 2, 3, 4, 5),  # all
)
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"scaled_tanh": scaled_tanh, "tanh": tanh, "relu": relu}
SUBSAMPLINGS = ("trainable", "average", "max")


class PartialConv2d(nn.Module):
    """A convolution whose output map o sees only the input maps `table[o]`; absent connections are no parameters.

    weight (connections, k, k), in the order of the table; bias (outputs,).
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
        area = self.weight[0].numel()
        fan_in = [len(inputs) * area for inputs in self.table]
        each = [fan for fan, inputs in zip(fan_in, self.table) for _ in inputs]
        init.lecun_uniform_(self.weight, torch.tensor(each)[:, None, None])
        init.lecun_uniform_(self.bias, torch.tensor(fan_in))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O P Q"]:
        k = self.weight.size(-1)
        dense = self.weight.new_zeros(len(self.table) * self.in_channels, k, k)
        dense = dense.index_copy(0, self.connection, self.weight)
        return conv2d(x, dense.view(len(self.table), self.in_channels, k, k), self.bias)


class Subsampling(nn.Module):
    """Half the resolution: y = f(w Σ + b), Σ the sum of a 2 × 2 window; one w and one b a map, both trained."""

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
    """scores_i = -Σ_j (x_j - w_ij)²: minus the paper's penalty y_i (equation 7), so that the best class is the largest.

    w (classes, features) holds fixed codes of -1 and +1, a buffer.
    """

    codes: Tensor

    def __init__(self, codes: Float[Tensor, "classes features"]) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x: Float[Tensor, "N features"]) -> Float[Tensor, "N classes"]:
        return -((x[:, None, :] - self.codes) ** 2).sum(-1)


class LeNet5(ImageClassifier):
    """x (N, in_channels, 32, 32) → scores (N, num_classes), larger is likelier.

    The paper's images have background -0.1 and ink 1.175: mean about 0, variance about 1.

    connection    "partial" (table I) or "full": what C3 sees of S2.
    subsampling   "trainable", or a parameter-free "average" or "max".
    activation    "scaled_tanh", "tanh" or "relu".
    output        "rbf", distances to `codes` (num_classes, 84), by default the ten digits'; or "linear".

    Every weight begins uniform in ±2.4 / fan-in (appendix A).
    Differs from the paper: the digits' codes are drawn after figure 3, whose pixels are not published as data.
    """

    presets: ClassVar = {
        "paper": {},  # 60,000 parameters
        "paper_linear": {"output": "linear"},  # 60,850
        "simplified": {  # 61,706: the form most tutorials show
            "connection": "full",
            "subsampling": "average",
            "activation": "tanh",
            "output": "linear",
        },
    }
    input_sizes: ClassVar = dict.fromkeys(presets, (1, 32, 32))
    stages = ("c1", "s2", "c3", "s4", "c5")
    classifier = "output"
    min_size = 32
    channels_last = True

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
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        checks.choice("connection", connection, ("partial", "full"))
        checks.choice("subsampling", subsampling, SUBSAMPLINGS)
        checks.choice("activation", activation, tuple(ACTIVATIONS))
        checks.choice("output", output, ("rbf", "linear"))
        self.activation = ACTIVATIONS[activation]

        def subsample(channels: int) -> nn.Module:
            if subsampling == "trainable":
                return Subsampling(channels, activation)
            return AvgPool2d(2) if subsampling == "average" else MaxPool2d(2)

        self.c1 = Conv2d(in_channels, 6, 5)  #                                                     -> 6, 28, 28
        self.s2 = subsample(6)  #                                                                  -> 6, 14, 14
        self.c3 = PartialConv2d(6, C3_TABLE, 5) if connection == "partial" else Conv2d(6, 16, 5)  # -> 16, 10, 10
        self.s4 = subsample(16)  #                                                                 -> 16, 5, 5
        self.c5 = Conv2d(16, 120, 5)  #                                                            -> 120, 1, 1
        self.f6 = Linear(120, 84)  #                                                               -> 84
        if output == "rbf":
            self.output: nn.Module = RadialBasisOutput(_codes(codes, num_classes))
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

    def checked(self, x: Tensor) -> Tensor:
        checks.rank("x", checks.floating("x", x), 4, layout="(N, C, 32, 32)")
        if x.shape[2:] != (32, 32):
            raise ValueError(
                f"x must be 32 × 32 pixels for LeNet5, got {x.size(2)} × {x.size(3)}: pad 28 × 28 images by 2, "
                "resize others"
            )
        return super().checked(x)

    def forward_stage(self, name: str, x: Tensor) -> Tensor:
        """Convolutions are squashed; subsampling squashes by itself, where it does."""
        x = getattr(self, name)(x)
        return self.activation(x) if name in ("c1", "c3", "c5") else x

    def forward_head(self, x: Float[Tensor, "N 120 1 1"], pre_logits: bool = False) -> Float[Tensor, "N *rest"]:
        x = self.activation(self.f6(x.flatten(1)))
        return x if pre_logits else self.output(x)

    def reset_classifier(self, num_classes: int) -> None:
        checks.require(
            not isinstance(self.output, RadialBasisOutput),
            'output="rbf" compares with fixed codes and has nothing to learn anew: build the model with codes of '
            'shape (num_classes, 84), or with output="linear"',
        )
        super().reset_classifier(num_classes)


def _codes(codes: Tensor | None, num_classes: int) -> Tensor:
    if codes is None:
        if num_classes != len(DIGIT_CODES):
            raise ValueError(
                f"codes are built in for {len(DIGIT_CODES)} digits, got num_classes={num_classes}: "
                f'pass codes of shape ({num_classes}, 84), or output="linear"'
            )
        return torch.tensor(DIGIT_CODES)
    if tuple(checks.tensor("codes", codes).shape) != (num_classes, 84):
        raise ValueError(f"codes must have shape ({num_classes}, 84), got {tuple(codes.shape)}")
    return codes.detach().to(torch.get_default_dtype(), copy=True)  # as the weights begin; they are none
