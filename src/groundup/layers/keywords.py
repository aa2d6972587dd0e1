"""Keyword names of torch.nn, passed by habit: an error that says what takes their place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from groundup.explain import keyword_error


class TorchKeywords:
    """Mixed into a module whose counterpart in torch.nn takes other arguments: a subclass explains its keywords.

    MultiHeadAttention(8, 2)(x, attn_mask=m) raises a `TypeError` that says: pass mask=~attn_mask.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in {"__init__", "forward"} & cls.__dict__.keys():
            setattr(cls, name, _explaining(cls.__dict__[name]))


def _explaining(method: Callable[..., Any]) -> Callable[..., Any]:
    parameters = inspect.signature(method).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return method

    @functools.wraps(method)
    def explained(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in parameters:
                what = "" if method.__name__ == "__init__" else f".{method.__name__}"
                raise keyword_error(f"{type(self).__name__}{what}", name, [*parameters])
        return method(self, *args, **kwargs)

    return explained
