"""PyTorch's pooling kernels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.fused.support import refuses

Pair = int | tuple[int, int]


def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    pool = F.max_pool2d_with_indices if return_indices else torch.max_pool2d
    return pool(x, kernel_size, stride or (), padding, dilation, ceil_mode)  # type: ignore[arg-type]


def _avg_refusal(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    dilation: Pair = 1,
) -> str | None:
    return None if dilation in (1, (1, 1)) else f"dilation={dilation}"


@refuses(_avg_refusal)
def avg_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    dilation: Pair = 1,
) -> Tensor:
    return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool2d(x: Tensor, output_size: Pair) -> Tensor:
    return F.adaptive_avg_pool2d(x, output_size)
