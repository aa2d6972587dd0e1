"""The one file that knows ranks. A run is one process today; whoever needs to know asks here."""

from __future__ import annotations

from torch import Tensor

Number = int | Tensor


def rank() -> int:
    """This process's number, from 0."""
    return 0


def world_size() -> int:
    """How many processes train together."""
    return 1


def is_main() -> bool:
    """Whether this process writes the run folder and talks to the person."""
    return rank() == 0


def sum_over_ranks(total: Tensor, count: Number) -> tuple[Tensor, Number]:
    """A loss and its number of units, each summed over all processes: of one process, themselves."""
    return total, count
