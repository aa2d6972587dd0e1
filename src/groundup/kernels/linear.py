"""PyTorch's affine map: one matrix product, which also adds the bias.

In float32 on a CPU, PyTorch's `linear` calls MKL. Large products go to oneDNN here, as PyTorch's convolutions do: on
AMD processors this takes half the time for one row, and nine tenths for a thousand rows. From two rows to some dozens
MKL is a third faster, except when oneDNN finds the weights in its own block layout (`pack_weights`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from groundup import checks

# oneDNN has a larger fixed cost per call. It is faster from so many multiply-adds on; where a graph is kept, which
# costs time too, from more; and for a single row with a matrix that does not fit into a cache.
ONEDNN_MIN_OPERATIONS, ONEDNN_MIN_OPERATIONS_WITH_GRADIENT = 2**25, 2**27
ONEDNN_MIN_ELEMENTS_FOR_ONE_ROW = 2**18

# Packing is worth its cost for matrices of at least so many elements, and products with at most so many rows.
PACK_MIN_ELEMENTS, PACK_MAX_ROWS = 2**16, 64
PACK_MAX_BYTES = 2**31  # of all packed copies together


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if torch.compiler.is_compiling():
        return F.linear(x, weight, bias)
    copy = find_packed(x, weight)
    work = x.numel() * weight.size(0)
    one_row = weight.numel() >= ONEDNN_MIN_ELEMENTS_FOR_ONE_ROW and x.numel() == weight.size(1)
    is_faster = work >= ONEDNN_MIN_OPERATIONS or one_row or copy is not None
    if not is_faster or not _can_use_onednn(x, weight, bias):
        return F.linear(x, weight, bias)
    if copy is not None:
        return _product(x, copy, bias)
    if not (torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias))):
        return _product(x, weight, bias)
    return _Linear.apply(x, weight, bias) if work >= ONEDNN_MIN_OPERATIONS_WITH_GRADIENT else F.linear(x, weight, bias)


def _can_use_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Return whether these are plain float32 matrices on a CPU, in a call that is neither traced nor transformed."""
    return (
        x.dtype == weight.dtype == torch.float32
        and x.numel() > 0
        and (bias is None or (bias.dtype == torch.float32 and checks.can_read_values(bias)))
        and (weight.is_contiguous() or weight.mT.is_contiguous())
        and checks.can_read_values(x)
        and checks.can_read_values(weight)
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and torch.backends.mkldnn.is_available()
        and forward_ad._current_level < 0
        and bool(torch.backends.mkldnn.enabled)
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x Wᵀ + b, computed by oneDNN. PyTorch has this product for its compiler only, without a derivative."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


class _Linear(torch.autograd.Function):
    """∂x = g W, ∂W = gᵀ x, ∂b = Σ g. (No separate setup_context: with one, PyTorch inspects the signature per call.)"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        g = grads[0]
        is_recorded = torch.is_grad_enabled()  # for a second derivative, autograd must see the product
        rows = g.reshape(-1, g.size(-1))
        x_grad = None if not ctx.needs_input_grad[0] else g @ weight if is_recorded else _product(g, weight.mT)
        # MKL is as fast for this sum over many rows.
        weight_grad = rows.mT @ x.reshape(-1, x.size(-1)) if ctx.needs_input_grad[1] else None
        return x_grad, weight_grad, rows.sum(0) if ctx.needs_input_grad[2] else None


# ---- packed weights ----------------------------------------------------------------------------------------------

_packed: dict[int, tuple[Tensor, int, Tensor]] = {}  # by id: the weight, its version when packed, the packed copy


@contextmanager
def pack_weights(weights: Iterable[Tensor], rows: int) -> Iterator[None]:
    """Within, `linear` without gradients reads packed copies of the large `weights`, made for inputs of `rows` rows.

    Why: with few rows, the time of a product is the time to read the matrix. From two rows on, MKL and oneDNN read a
    matrix in its usual layout at a quarter of the memory's speed; in oneDNN's own block layout it takes 0.3 to 0.9 of
    the time. Packing costs about as much as one product, so that it pays when a model decodes many tokens.

    Args:
        weights: matrices. Packed are contiguous float32 ones on a CPU of at least `PACK_MIN_ELEMENTS`, while all
            copies fit into `PACK_MAX_BYTES`. A weight that changes afterwards is read in its usual layout.
        rows: the rows of the inputs; for 1 or more than `PACK_MAX_ROWS` nothing is packed.
    """
    mine, room = [], PACK_MAX_BYTES - sum(4 * weight.numel() for weight, _, _ in _packed.values())
    for weight in weights if 1 < rows <= PACK_MAX_ROWS and torch.backends.mkldnn.is_available() else ():
        has_version = not weight.is_inference()  # PyTorch does not count the changes of inference tensors
        plain = (
            has_version and weight.dtype == torch.float32 and checks.can_read_values(weight) and weight.is_contiguous()
        )
        large = weight.numel() >= PACK_MIN_ELEMENTS
        if plain and large and id(weight) not in _packed and 4 * weight.numel() <= room:
            copy = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)
            _packed[id(weight)] = weight, weight._version, copy
            room -= 4 * weight.numel()
            mine.append(id(weight))
    try:
        yield
    finally:
        for key in mine:
            _packed.pop(key, None)


def find_packed(x: Tensor, weight: Tensor) -> Tensor | None:
    """Return the packed copy of `weight` to multiply x with; None if there is none, or the weight has changed since."""
    if not _packed or torch.is_grad_enabled() or x.numel() > PACK_MAX_ROWS * x.size(-1):
        return None
    known = _packed.get(id(weight))
    return known[2] if known is not None and known[1] == weight._version else None
