"""Which parameters decay: weights do, biases and norms do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch import Tensor, nn

from groundup.checks import real, require

Skip: TypeAlias = Sequence[str] | Callable[[str, Tensor], bool]


def decay_groups(
    model_or_named_parameters: nn.Module | Iterable[tuple[str, Tensor]], weight_decay: float, skip: Skip = ()
) -> list[dict[str, Any]]:
    """Two groups for an optimizer: what decays, and what does not. `AdamW(decay_groups(model, 0.1), lr=3e-4)`.

    Parameters with fewer than two axes (biases; the scales and shifts of norms) never decay: shrinking them
    regularises nothing. `skip` leaves out more by name, with shell patterns such as `["*embedding*", "head.*"]`; or,
    as a function of (name, parameter), it decides alone. Parameters keep their names in the groups.

    Raises `ValueError` for a pattern that matches no name.
    """
    weight_decay = real("weight_decay", weight_decay, 0.0)
    source = model_or_named_parameters
    named = list(source.named_parameters() if isinstance(source, nn.Module) else source)
    if callable(skip):
        spared = [skip(name, p) for name, p in named]
    else:
        patterns = [skip] if isinstance(skip, str) else list(skip)
        for pattern in patterns:
            require(
                any(fnmatchcase(name, pattern) for name, _ in named),
                f"skip: the pattern {pattern!r} matches no parameter; names are like {[name for name, _ in named[:3]]}",
            )
        spared = [p.dim() < 2 or any(fnmatchcase(name, pattern) for pattern in patterns) for name, p in named]
    groups = [
        {"params": [item for item, out in zip(named, spared) if not out], "weight_decay": weight_decay},
        {"params": [item for item, out in zip(named, spared) if out], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
