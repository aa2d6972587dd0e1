"""PyTorch's convolution (oneDNN on a CPU, cuDNN on a GPU)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

Pair = int | tuple[int, int]


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)
