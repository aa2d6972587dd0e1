"""Padding and sliding windows: what convolution and pooling have in common.

Legend: N batch, C channels, (H, W) input size, (k, l) kernel, (s, t) stride, (d, e) dilation, (P, Q) output size.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import images as kernels
from groundup.rules import images as rules

Pair = Annotated[int | tuple[int, int], checks.pair]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


@fused_by(kernels.pad2d, rules.pad2d)
def pad2d(
    x: Shaped[Tensor, "*batch height width"],
    padding: tuple[int, int, int, int],
    mode: PaddingMode = "zeros",
    value: float = 0.0,
) -> Shaped[Tensor, "*batch padded_height padded_width"]:
    """Pad the last two axes.

    Args:
        x: images, or anything else of two axes or more.
        padding: how many rows and columns to add at (top, bottom, left, right).
        mode: "zeros" fills the border with `value`; "reflect" mirrors the image at its edge pixels, which are not
            repeated; "replicate" repeats the edge pixels; "circular" continues at the other side.
        value: for the mode "zeros".

    Example:
        >>> pad2d(torch.tensor([[1, 2]]), (0, 0, 1, 1), "circular")
        tensor([[2, 1, 2, 1]])
    """
    top, bottom, left, right = padding
    if not any(padding):
        return x
    if mode == "zeros":
        height, width = x.shape[-2:]
        padded = x.new_full((*x.shape[:-2], top + height + bottom, left + width + right), value)
        padded[..., top : top + height, left : left + width] = x
        return padded
    x = x.index_select(-2, padding_sources(x.size(-2), top, bottom, mode, x.device))
    return x.index_select(-1, padding_sources(x.size(-1), left, right, mode, x.device))


def padding_sources(size: int, before: int, after: int, mode: PaddingMode, device: torch.device) -> Tensor:
    """Return, for each position of the padded axis, the position of the input that it copies."""
    position = torch.arange(-before, size + after, device=device)
    if mode == "circular":
        return position % size
    if mode == "reflect":
        position = torch.where(position < 0, -position, position)
        return torch.where(position < size, position, 2 * (size - 1) - position)
    return position.clamp(0, size - 1)  # replicate


def windows(
    x: Shaped[Tensor, "*batch height width"],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> Shaped[Tensor, "*batch P Q k l"]:
    """Return every k × l window of the last two axes, as a view: out[p, q, i, j] = x[s p + d i, t q + e j].

    Example:
        >>> windows(torch.arange(4).view(1, 4), (1, 2), (1, 1)).squeeze()
        tensor([[0, 1],
                [1, 2],
                [2, 3]])
    """
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    spans = slide(slide(x, reach[0], stride[0]), reach[1], stride[1])  # ..., P, Q, reach, reach
    return spans[..., :: dilation[0], :: dilation[1]]


def slide(x: Shaped[Tensor, "*batch n rest"], size: int, step: int) -> Shaped[Tensor, "*batch P rest size"]:
    """Return x.unfold(-2, size, step).

    A single window is made by a transpose, because the compiled derivative of its `unfold` is wrong in PyTorch 2.13.
    """
    return x.unfold(-2, size, step) if x.size(-2) >= size + step else x.narrow(-2, 0, size).mT.unsqueeze(-3)
