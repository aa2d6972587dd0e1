"""States of every kind, row by row."""

from typing import NamedTuple

import pytest
import torch

from groundup.generation import reorder
from groundup.layers import KVCache


class Pair(NamedTuple):
    h: torch.Tensor
    steps: int


def test_reorder_picks_rows_of_nested_states():
    x, y = torch.arange(6.0).view(3, 2), torch.arange(3)
    index = torch.tensor([2, 2, 0, 1])
    state = ([x, (y, None)], {"pair": Pair(x, 5), "name": "kept"}, True, 1.5)
    (first, (second, nothing)), named, *rest = reorder(state, index)
    assert torch.equal(first, x[index])
    assert torch.equal(second, y[index])
    assert nothing is None
    assert isinstance(named["pair"], Pair)
    assert torch.equal(named["pair"].h, x[index])
    assert named["pair"].steps == 5
    assert (named["name"], *rest) == ("kept", True, 1.5)


def test_a_reordered_state_shares_no_memory():
    x = torch.zeros(2, 3)
    once, again = reorder((x,), torch.tensor([0, 1])), reorder((x,), torch.tensor([0, 1]))
    once[0][0] = 1
    assert x.eq(0).all()
    assert again[0].eq(0).all()


def test_objects_reorder_themselves():
    class Memory:
        def __init__(self, rows):
            self.rows = rows

        def reorder(self, index):
            return Memory([self.rows[i] for i in index])

    cache = KVCache(2, 1, 3, 1)
    cache.update(*[torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)] * 2)
    memory, same = reorder((Memory("ab"), cache), torch.tensor([1, 0, 1]))
    assert memory.rows == ["b", "a", "b"]
    assert same is cache
    assert cache.update(*[torch.zeros(3, 1, 1, 1)] * 2)[0][:, 0, 0, 0].tolist() == [2.0, 1.0, 2.0]


def test_a_state_that_cannot_be_picked_says_so():
    with pytest.raises(TypeError, match=r"state holds a object, whose rows.*give it a method reorder"):
        reorder([object()], torch.tensor([0]))
