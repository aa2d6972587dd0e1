"""The precision of sums: float32 or wider, whatever the type of the input."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def widen(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return x in float32 if it is in float16 or bfloat16, else x itself.

    Why: float16 counts to 2048 in steps of 1, and bfloat16 to 256. A sum or a mean over more elements than that stops
    growing, and a variance, a difference of large numbers, loses every digit. Statistics are therefore computed in
    float32, and only the result is rounded to the type of the input.

    Example:
        >>> widen(torch.ones(3, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
