"""The memory layout of images: channels last, in which a CPU computes convolutions and pooling faster."""

from __future__ import annotations

import torch
from torch import Tensor

from groundup import checks


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
