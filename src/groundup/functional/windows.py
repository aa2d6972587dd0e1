"""Padding and sliding windows: what convolution and pooling have in common.

Legend: N batch, C channels, (H, W) input size, (k, l) kernel, (s, t) stride, (d, e) dilation, (P, Q) output size.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import padding as kernels

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """How many windows fit: ⌊(size + 2 padding - dilation (kernel - 1) - 1) / stride⌋ + 1.

    With `ceil_mode` a last window may run over the far edge, if it starts inside the input or the near padding.
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def _sources(size: int, before: int, after: int, mode: str, device: torch.device) -> Tensor:
    """For each position of the padded axis, the position of the input that it copies."""
    position = torch.arange(-before, size + after, device=device)
    if mode == "circular":
        return position % size
    if mode == "reflect":  # mirrored at the edge elements, which are not repeated
        position = torch.where(position < 0, -position, position)
        return torch.where(position < size, position, 2 * (size - 1) - position)
    return position.clamp(0, size - 1)  # replicate


def _check_pad(x: Tensor, padding: tuple[int, int, int, int], mode: str = "zeros", value: float = 0.0) -> None:
    checks.choice("mode", mode, PADDING_MODES)
    height, width = x.shape[-2:]
    for size, amounts, axis in ((height, padding[:2], "height"), (width, padding[2:], "width")):
        limit = {"reflect": size - 1, "circular": size}.get(mode, max(amounts))
        if max(amounts) > limit:
            raise ValueError(f'padding of {max(amounts)} is too much for {axis} {size} with mode "{mode}"')


@fused_by(kernels.pad2d, check=_check_pad)
def pad2d(
    x: Shaped[Tensor, "*batch height width"],
    padding: tuple[int, int, int, int],
    mode: PaddingMode = "zeros",
    value: float = 0.0,
) -> Shaped[Tensor, "*batch padded_height padded_width"]:
    """Pad the last two axes by (top, bottom, left, right); `value` fills the border when mode is "zeros"."""
    top, bottom, left, right = padding
    if not any(padding):
        return x
    if mode == "zeros":
        height, width = x.shape[-2:]
        padded = x.new_full((*x.shape[:-2], top + height + bottom, left + width + right), value)
        padded[..., top : top + height, left : left + width] = x
        return padded
    x = x.index_select(-2, _sources(x.size(-2), top, bottom, mode, x.device))
    return x.index_select(-1, _sources(x.size(-1), left, right, mode, x.device))


def windows(
    x: Shaped[Tensor, "*batch height width"],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> Shaped[Tensor, "*batch P Q k l"]:
    """Every k × l window of the last two axes, as a view: out[p, q, i, j] = x[s p + d i, t q + e j]."""
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    spans = _slide(_slide(x, reach[0], stride[0]), reach[1], stride[1])  # ..., P, Q, reach, reach
    return spans[..., :: dilation[0], :: dilation[1]]


def _slide(x: Shaped[Tensor, "*batch n rest"], size: int, step: int) -> Shaped[Tensor, "*batch P rest size"]:
    """x.unfold(-2, size, step). A single window is a transpose: its compiled derivative is wrong in PyTorch 2.13."""
    return x.unfold(-2, size, step) if x.size(-2) >= size + step else x.narrow(-2, 0, size).mT.unsqueeze(-3)
