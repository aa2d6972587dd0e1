"""PyTorch's kernels for single elements and rows: activations, softmax, dropout, embedding and rotary positions."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup import checks
from groundup.kernels.support import refuses, takes_call
from groundup.rules.elementwise import table_indices

# ---- activations -------------------------------------------------------------------------------------------------

_ACTIVATION_NAMES: dict[Any, str] = {
    F.relu: "relu",
    torch.relu: "relu",
    nn.ReLU: "relu",
    F.gelu: "gelu",
    nn.GELU: "gelu",
    F.silu: "silu",
    nn.SiLU: "silu",
}


def name_activation(activation: Any) -> Any:
    """Return our name of an activation of PyTorch, a function or a layer; return anything else unchanged."""
    if not callable(activation):
        return activation
    if isinstance(activation, nn.GELU) and activation.approximate == "tanh":
        return "gelu_tanh"
    return _ACTIVATION_NAMES.get(type(activation) if isinstance(activation, nn.Module) else activation, activation)


def relu(x: Tensor, inplace: bool = False) -> Tensor:
    return torch.relu_(x) if inplace else torch.relu(x)


def softplus(x: Tensor) -> Tensor:
    # The kernel is linear above a threshold; at 40 the difference is below the rounding of float64.
    return F.softplus(x, threshold=40.0)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    return F.gelu(x, approximate=approximate)


sigmoid, tanh, logsigmoid, silu, glu = torch.sigmoid, torch.tanh, F.logsigmoid, F.silu, F.glu


# ---- softmax, safe where a whole slice is masked -------------------------------------------------------------------


def _exclude(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return x with -inf where `mask` is False."""
    return x if mask is None else torch.where(mask, x, -torch.inf)


def _handle_empty_slices(kernel: Callable[[Tensor, int], Tensor], x: Tensor, dim: int, empty_value: float) -> Tensor:
    """Return kernel(x, dim), but `empty_value` with no gradient where a slice is all -inf: the kernel gives NaN there.

    Such a slice has -inf first in x and NaN in y. Where values can be read at low cost, two sums find that there is
    none, and nothing else is computed. (x is read before the kernel runs: afterwards it is spread over the caches of
    all cores.)
    """
    if checks.can_read_values(x) and x.numel() > 0 and x.dim() > 0:
        has_finite_start = x.detach().select(dim, 0).amin().item() > -torch.inf
        y = kernel(x, dim)
        if has_finite_start or not isnan(y.detach().select(dim, 0).sum()):
            return y
    empty = x.detach().amax(dim, keepdim=True) == -torch.inf
    return kernel(torch.where(empty, 0, x), dim).masked_fill(empty, empty_value)


def softmax(x: Tensor, dim: int = -1, mask: Tensor | None = None) -> Tensor:
    return _handle_empty_slices(torch.softmax, _exclude(x, mask), dim, 0.0)


def log_softmax(x: Tensor, dim: int = -1, mask: Tensor | None = None) -> Tensor:
    return _handle_empty_slices(torch.log_softmax, _exclude(x, mask), dim, -torch.inf)


def logsumexp(x: Tensor, dim: int = -1, mask: Tensor | None = None) -> Tensor:
    return torch.logsumexp(_exclude(x, mask), dim)


# ---- dropout, embedding, rotary positions --------------------------------------------------------------------------


@refuses(lambda call: "a generator" if call.generator is not None else None)
def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, generator: None = None) -> Tensor:
    return F.dropout(x, p, training, inplace) if training and p > 0 else x


@takes_call
def embedding(call: Any) -> Tensor:
    if call.max_norm is not None:  # checked before any row changes
        table_indices(call)
    return F.embedding(*call)


def rotary(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False) -> Tensor:
    """Rotate in three passes over the features, where the definition takes ten: x ⊗ cos + partners of x ⊗ (∓ sin)."""
    if interleaved:
        partners = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        cos, sin = (torch.stack(pair, -1).flatten(-2) for pair in ((cos, cos), (-sin, sin)))
    else:
        partners = x.roll(x.size(-1) // 2, -1)
        cos, sin = torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)
    return torch.addcmul(x * cos, partners, sin).to(x.dtype)
