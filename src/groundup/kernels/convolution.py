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
    down, across = (stride, stride) if isinstance(stride, int) else stride
    few = x.size(1) < 16 and x.device.type == "cpu"
    if few and across * down > 1 and weight.shape[2:] == (1, 1) and padding in (0, (0, 0)):
        # A fault of oneDNN's, as of torch 2.13: for few channels, last in memory, a processor of AVX2 writes beyond the
        # gradient's end in the backward pass of a strided 1 × 1 kernel. What the stride skips can as well go first.
        x, stride = x[:, :, ::down, ::across], 1
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)
