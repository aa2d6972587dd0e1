"""PyTorch's kernels for sampling an image: the affine grid, the bilinear sampler, and bicubic resizing."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import refuses


def _refusal(call: Any) -> str | None:
    if call.theta.size(0) == 0:
        return "an empty batch"
    return "a size of 1 with align_corners, of which it warns" if call.align_corners and 1 in call.size else None


@refuses(_refusal)
def affine_grid(theta: Tensor, size: tuple[int, int], align_corners: bool = True) -> Tensor:
    wide = torch.promote_types(theta.dtype, torch.float32)  # bfloat16 rounds a place to 1/128 of the image
    return F.affine_grid(theta.to(wide), [theta.size(0), 1, *size], align_corners=align_corners).to(theta.dtype)


def grid_sample(x: Tensor, grid: Tensor, align_corners: bool = True) -> Tensor:
    wide = torch.promote_types(x.dtype, torch.float32)
    y = F.grid_sample(x.to(wide), grid.to(wide), "bilinear", "zeros", align_corners=align_corners)
    return y.to(x.dtype)


def resize_bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bicubic", align_corners=False)
