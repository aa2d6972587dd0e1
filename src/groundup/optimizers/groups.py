"""Parameter groups with and without weight decay."""

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
    """Return two parameter groups for an optimizer: weights decay, biases and norms do not.

    Why: decay keeps a function smooth by keeping its weights small. A bias or the scale of a norm does not make it less
    smooth, and shrinking it only adds an error.

    Args: model_or_named_parameters: a module, or pairs (name, parameter). weight_decay: of the first group. skip: names
        that do not decay either, as shell patterns such as `["*embedding*", "head.*"]`; or a function of (name,
        parameter) that alone decides. Parameters with fewer than two axes never decay under patterns.

    Parameters keep their names in the groups.

    Raises:
        ValueError: a pattern matches no name.

    Example:
        >>> import torch
        >>> groups = decay_groups([("weight", torch.zeros(2, 2)), ("bias", torch.zeros(2))], weight_decay=0.1)
        >>> [(group["params"][0][0], group["weight_decay"]) for group in groups]
        [('weight', 0.1), ('bias', 0.0)]
    """
    weight_decay = real("weight_decay", weight_decay, 0.0)
    source = model_or_named_parameters
    named = list(source.named_parameters() if isinstance(source, nn.Module) else source)
    if callable(skip):
        undecayed = [skip(name, p) for name, p in named]
    else:
        patterns = [skip] if isinstance(skip, str) else list(skip)
        for pattern in patterns:
            require(
                any(fnmatchcase(name, pattern) for name, _ in named),
                f"skip: the pattern {pattern!r} matches no parameter; names are like {[name for name, _ in named[:3]]}",
            )
        undecayed = [p.dim() < 2 or any(fnmatchcase(name, pattern) for pattern in patterns) for name, p in named]
    groups = [
        {"params": [item for item, skipped in zip(named, undecayed) if not skipped], "weight_decay": weight_decay},
        {"params": [item for item, skipped in zip(named, undecayed) if skipped], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
