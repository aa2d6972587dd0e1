"""The interface between decoding and models: a step, a state whose rows can be selected, and the result.

Legend: B rows decoded together, V vocabulary, N rows picked, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from groundup import checks

S = TypeVar("S")


#: (tokens (B,), state) -> (logits (B, V), state): the scores of the next tokens, and the state after the given ones. A
#: state is anything that `reorder` takes. A step may change it in place, as with a KVCache: decoding uses only the
#: state that is returned. Logits are finite, or -inf for tokens that are excluded.
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Sequences(NamedTuple):
    """The decoded sequences: one per row, or (B, n) of a beam search, best first.

    Args:
        tokens: (..., T), without the start. After the end of a row, its stop token is repeated.
        lengths: (...), the number of tokens of the row, including the stop token.
        log_p: (...), the sum of their log-probabilities under the model, however they were drawn.
        ended: (...), whether the row was ended by a stop token, and not by `max_len`.
    """

    tokens: Tensor
    lengths: Tensor
    log_p: Tensor
    ended: Tensor


def reorder(state: S, index: Int[Tensor, " N"]) -> S:
    """Return the state whose row n is row index[n] of `state`, in new memory. The number of rows may change.

    Args:
        state: tensors, whose axis 0 is the batch, in tuples, lists and mappings; or objects with `reorder(index)`,
            which return the new state or, as KVCache, change it in place and return None. Numbers, strings and None
            stay.
        index: the rows to take.

    Raises `TypeError` for any other state.

    Example:
        >>> reorder((torch.tensor([[1], [2]]), None), torch.tensor([1, 1]))
        (tensor([[2],
                [2]]), None)
    """
    if isinstance(state, Tensor):
        return state.index_select(0, index)  # type: ignore[return-value]
    if state is None or isinstance(state, (bool, int, float, str)):
        return state
    if hasattr(state, "reorder"):
        moved = state.reorder(index)
        return state if moved is None else moved
    if isinstance(state, Mapping):
        return {key: reorder(value, index) for key, value in state.items()}  # type: ignore[return-value]
    if isinstance(state, tuple) and hasattr(state, "_fields"):  # a named tuple takes its fields one by one
        return type(state)(*(reorder(value, index) for value in state))
    if isinstance(state, (tuple, list)):
        return type(state)(reorder(value, index) for value in state)
    raise TypeError(
        f"state holds a {type(state).__name__}, whose rows cannot be picked; give it a method reorder(index), or use "
        "tensors in tuples, lists and mappings"
    )


def check_start(
    start: Tensor, max_len: int, stop: int | Sequence[int]
) -> tuple[Int64[Tensor, " B"], int, Int64[Tensor, " stops"]]:
    """Return (start, max_len, stop tokens) as tensors; raise if they are wrong."""
    if checks.tensor("start", start).dtype not in (torch.int64, torch.int32):
        raise TypeError(f"start must hold token indices (int64 or int32), got {start.dtype}")
    checks.rank("start", start, 1, layout="(B,), one token for each row")
    if not isinstance(stop, (Integral, Iterable)) or isinstance(stop, (str, Tensor)):
        raise TypeError(f"stop must be an int or several of them, () for none, got {stop!r} ({type(stop).__name__})")
    stops = [stop] if isinstance(stop, Integral) else list(stop)
    for token in stops:
        checks.integer("stop", token, 0)
    return start.long(), checks.integer("max_len", max_len), torch.tensor(stops, dtype=torch.int64, device=start.device)


def check_logits(logits: Tensor, rows: int, stops: Tensor) -> Float[Tensor, "B V"]:
    """Return the logits of a step in float32 or wider; raise if they are wrong."""
    checks.rank("logits", checks.floating("logits", logits), 2, layout="(B, V), which step must return first")
    checks.size("logits", logits, 0, rows, "rows, as step was given")
    if stops.numel() > 0 and checks.can_read_values(stops) and int(stops.max()) >= logits.size(1):
        raise ValueError(f"stop must lie in [0, {logits.size(1) - 1}], the vocabulary, got {int(stops.max())}")
    if checks.can_read_values(logits) and logits.numel() > 0:
        top = logits.amax(-1)
        if bool((top.isnan() | (top == torch.inf)).any()):
            wrong = "NaN" if bool(top.isnan().any()) else "inf"
            raise ValueError(
                f"logits hold {wrong}, and must be finite, or -inf for excluded tokens: the weights of the model may "
                f"be damaged, or {logits.dtype} too narrow for it"
            )
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
