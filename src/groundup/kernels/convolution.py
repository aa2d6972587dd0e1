"""PyTorch's convolution (oneDNN on a CPU, cuDNN on a GPU), and the memory layout in which it is fastest on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup import checks

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


def to_channels_last(x: Tensor) -> Tensor:
    """Return the images x (N, C, H, W), the C values of each pixel next to each other in memory if x is on a CPU.

    oneDNN's vectors hold channels. With images in PyTorch's default layout, where each channel is a plane, every
    convolution would reorder its input and its output. The shape and the values stay the same. Under `torch.func`
    (vmap and its relatives know one layout only) and on other devices x is returned as it is.
    """
    if x.device.type != "cpu" or checks.transformed():
        return x
    x = x.contiguous(memory_format=torch.channels_last)
    if x.size(1) == 1:  # one channel has the same bytes in either layout: the strides alone name the layout
        x = x[:, 0, :, :, None].movedim(-1, 1)
    return x
