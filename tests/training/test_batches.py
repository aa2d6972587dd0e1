"""Groups of batches, and their way to the device."""

from collections import namedtuple

import pytest
import torch
from training_toy import Stream

from groundup.data import Loader
from groundup.training import Batches, make_objective, to_device
from groundup.training.batches import check_loader, group_batches

Pair = namedtuple("Pair", ["x", "y"])


def test_groups_cover_the_rest_of_the_epoch():
    sizes = [[len(y) for _, y in group] for group in group_batches(Stream(5), 0, 0, 2)]
    assert sizes == [[8, 9], [10, 11], [12]]
    assert [[len(y) for _, y in group] for group in group_batches(Stream(5), 0, 4, 2)] == [[12]]


def test_a_loader_shorter_than_it_promises():
    class Short(Stream):
        def __iter__(self):
            yield from list(super().__iter__())[:-1]

    with pytest.raises(ValueError, match=r"ended epoch 3 after 4 batches, but its len\(\) is 5"):
        list(group_batches(Short(), 2, 0, 2))


def test_our_loader_has_a_position():
    data = torch.utils.data.TensorDataset(torch.arange(10.0), torch.arange(10))
    loader = Loader(data, 3, shuffle=True, seed=1)
    assert isinstance(loader, Batches)
    check_loader("train", loader)
    whole = [y.tolist() for group in group_batches(loader, 2, 0, 2) for _, y in group]
    assert [y.tolist() for group in group_batches(loader, 2, 2, 2) for _, y in group] == whole[2:]
    assert sorted(y for batch in whole for y in batch) == list(range(10))


def test_to_device_keeps_the_structure():
    x = torch.zeros(2)
    batch = {"pair": Pair(x, [x, "text"]), "rest": (x, 3, None)}
    moved = to_device(batch, torch.device("meta"))
    assert moved["pair"].x.device.type == moved["pair"].y[0].device.type == moved["rest"][0].device.type == "meta"
    assert type(moved["pair"]) is Pair
    assert moved["pair"].y[1] == "text"
    assert moved["rest"][1:] == (3, None)


def test_supervised_takes_pairs():
    objective = make_objective(torch.nn.functional.mse_loss)
    total, count = objective(torch.nn.Identity(), (torch.ones(3, 2), torch.zeros(3, 2)))
    assert (total.item(), count) == (6.0, 3)
    for bad in ([1, 2, 3], torch.zeros(2, 2), {"x": 1}):
        with pytest.raises(TypeError, match=r"takes batches \(x, y\)"):
            objective(torch.nn.Identity(), bad)
