"""What ResNet and DenseNet begin with: from pixels to the first feature maps."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import nn

from groundup import checks
from groundup.functional import init
from groundup.layers import BatchNorm2d, Conv2d, MaxPool2d, ReLU

#: the convolution's kernel and stride, and whether a pool follows
STEMS = {"imagenet": (7, 2, True), "cifar": (3, 1, False), "half": (3, 2, False)}


class Stem(nn.Sequential):
    """conv ─ bn ─ relu ─ pool: (N, C, H, W) → (N, width, ⌈H / 4⌉, ⌈W / 4⌉).

    kind="imagenet"   a 7 × 7 convolution of stride 2, then the largest of each 3 × 3, stride 2
    kind="cifar"      for small images: a 3 × 3 convolution of stride 1, and no pool; the size stays
    kind="half"       the same with stride 2: ⌈H / 2⌉, and a quarter of the work in all that follows

    The pool pads its border with one row; with ceil_mode it has none, and lets the last window run over the far edge,
    as Caffe does: of even sizes it makes the same size, but other numbers.
    """

    conv: Conv2d
    bn: BatchNorm2d

    def __init__(self, in_channels: int, width: int, kind: str, ceil_mode: bool = False, **factory: Any) -> None:
        kernel, stride, pools = STEMS[checks.choice("stem", kind, tuple(STEMS))]
        parts: dict[str, nn.Module] = {
            "conv": Conv2d(in_channels, width, kernel, stride, kernel // 2, bias=False, **factory),
            "bn": BatchNorm2d(width, **factory),
            "relu": ReLU(inplace=True),
        }
        if pools:
            parts["pool"] = MaxPool2d(3, 2, padding=0 if ceil_mode else 1, ceil_mode=ceil_mode)
        super().__init__(OrderedDict(parts))
        self.reduction = stride * (2 if pools else 1)  # of height and width
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.bn.reset_parameters()
