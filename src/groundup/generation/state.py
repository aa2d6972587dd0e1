"""What decoding asks of a model, a step and a state whose rows can be picked, and what it gives back.

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


#: (tokens (B,), state) -> (logits (B, V), state): the scores of what comes after the tokens, and the state that has
#: seen them too. A state is anything that `reorder` knows. A step may change it in place, as one with a KVCache does:
#: decoding uses only the one returned. Logits are finite, or -inf for what may not come.
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Sequences(NamedTuple):
    """What was decoded. One row a sequence, or (B, n) of them, best first, from a beam.

    tokens    (..., T)  without the start; past its end a row holds stop tokens
    lengths   (...)     how many tokens are the row's own, the stop token that ends it included
    log_p     (...)     the sum of their log-probabilities under the model, whatever drew them
    ended     (...)     whether a stop token ended it, and not `max_len`
    """

    tokens: Tensor
    lengths: Tensor
    log_p: Tensor
    ended: Tensor


def reorder(state: S, index: Int[Tensor, " N"]) -> S:
    """The state whose row n is row index[n] of `state`, in memory of its own; N may differ from what there was.

    Of tensors, whose axis 0 is the batch, in tuples, lists and mappings, and of objects that have `reorder(index)`:
    one that returns nothing has done it in place, as KVCache does. Numbers, strings and None are nobody's row and stay.

    Raises `TypeError` for anything else.
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


def begin(
    start: Tensor, max_len: int, stop: int | Sequence[int]
) -> tuple[Int64[Tensor, " B"], int, Int64[Tensor, " stops"]]:
    """(start, max_len, the stop tokens), checked."""
    if checks.tensor("start", start).dtype not in (torch.int64, torch.int32):
        raise TypeError(f"start must hold token indices (int64 or int32), got {start.dtype}")
    checks.rank("start", start, 1, layout="(B,), one token for each row")
    if not isinstance(stop, (Integral, Iterable)) or isinstance(stop, (str, Tensor)):
        raise TypeError(f"stop must be an int or several of them, () for none, got {stop!r} ({type(stop).__name__})")
    stops = [stop] if isinstance(stop, Integral) else list(stop)
    for token in stops:
        checks.integer("stop", token, 0)
    return start.long(), checks.integer("max_len", max_len), torch.tensor(stops, dtype=torch.int64, device=start.device)


def scores(logits: Tensor, rows: int, stops: Tensor) -> Float[Tensor, "B V"]:
    """What a step gave, checked, in float32 or wider."""
    checks.rank("logits", checks.floating("logits", logits), 2, layout="(B, V), which step must return first")
    checks.size("logits", logits, 0, rows, "rows, as step was given")
    if stops.numel() > 0 and checks.readable(stops) and int(stops.max()) >= logits.size(1):
        raise ValueError(f"stop must lie in [0, {logits.size(1) - 1}], the vocabulary, got {int(stops.max())}")
    if checks.readable(logits) and logits.numel() > 0:
        top = logits.amax(-1)
        if bool((top.isnan() | (top == torch.inf)).any()):
            wrong = "NaN" if bool(top.isnan().any()) else "inf"
            raise ValueError(
                f"logits hold {wrong}, and must be finite, or -inf for what may not come: the weights of the model may "
                f"be damaged, or {logits.dtype} too narrow for it"
            )
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
