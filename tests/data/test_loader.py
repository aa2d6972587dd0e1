"""Loader: its order and its augmentation depend on seed, epoch and batch, and on nothing else."""

import itertools
import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from groundup.data import Compose, ImageData, Loader, RandomCrop, RandomHorizontalFlip, ToFloat

pytestmark = [
    # Forking a process with threads is what PyTorch's workers do on Linux; Python >= 3.12 warns of it.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # more workers than cores
]

COUNT = 23
AUGMENT = Compose(RandomCrop(6, 2), RandomHorizontalFlip(), ToFloat())


@pytest.fixture
def data():
    labels = torch.arange(COUNT)
    images = torch.randint(0, 256, (COUNT, 3, 6, 6), dtype=torch.uint8)
    return ImageData(images, labels, tuple(map(str, range(COUNT))), "toy")  # every label is its own index


def epochs(loader, count=3):
    return [list(loader) for _ in range(count)]


def same(one, other):
    assert len(one) == len(other)
    for (x, y), (u, v) in zip(one, other):
        assert torch.equal(x, u)
        assert torch.equal(y, v)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("batch_size", "drop_last", "sizes"), [
    (5, False, [5, 5, 5, 5, 3]),
    (5, True, [5, 5, 5, 5]),
    (23, True, [23]),
    (100, False, [23]),
    (1, True, [1] * 23),
])  # fmt: skip
def test_an_epoch(data, shuffle, batch_size, drop_last, sizes):
    loader = Loader(data, batch_size, shuffle=shuffle, drop_last=drop_last)
    batches = list(loader)
    assert [len(x) for x, _ in batches] == sizes
    assert len(loader) == len(sizes)
    seen = torch.cat([y for _, y in batches])
    assert len(seen.unique()) == sum(sizes)
    assert torch.equal(torch.cat([x for x, _ in batches]), data.images[seen])
    assert torch.equal(seen, loader.order(0)[: len(seen)])
    assert torch.equal(seen, torch.arange(sum(sizes))) is not shuffle


def test_orders_differ_between_epochs_and_seeds(data):
    orders = [Loader(data, 4, shuffle=True, seed=seed).order(epoch) for seed in range(3) for epoch in range(3)]
    for one, other in itertools.combinations(orders, 2):
        assert not torch.equal(one, other)
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(COUNT))


def test_the_same_seed_gives_the_same_batches(data):
    one, other, third = (Loader(data, 4, shuffle=True, seed=s, transform=AUGMENT) for s in (7, 7, 8))
    for a, b, c in zip(epochs(one), epochs(other), epochs(third)):
        same(a, b)
        assert not torch.equal(a[0][0], c[0][0])


def test_augmentation_differs_between_epochs_and_batches(data):
    even = ImageData(data.images[:1].expand(COUNT, -1, -1, -1), data.labels, data.class_names, "even")
    batches = [x for epoch in epochs(Loader(even, 5, transform=AUGMENT)) for x, _ in epoch[:4]]
    for one, other in itertools.combinations(batches, 2):
        assert not torch.equal(one, other)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_seeking_is_skipping(data, num_workers):
    whole = epochs(Loader(data, 5, shuffle=True, seed=1, transform=AUGMENT))
    loader = Loader(data, 5, shuffle=True, seed=1, transform=AUGMENT, num_workers=num_workers)
    for epoch, batch in [(2, 3), (0, 0), (1, 4), (0, 2)]:
        loader.seek(epoch, batch)
        same(list(loader), whole[epoch][batch:])
    loader.seek(0, 5)  # the end of epoch 0
    same(list(loader), [])
    same(list(loader), whole[1])


def test_stopping_at_any_batch_and_going_on_elsewhere(data):
    whole = [batch for epoch in epochs(Loader(data, 5, shuffle=True, transform=AUGMENT), 2) for batch in epoch]
    for stop in range(len(whole) + 1):
        loader = Loader(data, 5, shuffle=True, transform=AUGMENT)
        seen = list(itertools.islice(itertools.chain.from_iterable(epochs(loader, 2)), stop))
        resumed = Loader(data, 5, shuffle=True, transform=AUGMENT)
        resumed.seek(*divmod(stop, 5))
        for _ in range(2 - stop // 5):
            seen += list(resumed)
        same(seen, whole)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_each_epoch_has_the_transform_that_began_last(data, num_workers):
    plain, changed = epochs(Loader(data, 5), 1)[0], epochs(Loader(data, 5, transform=AUGMENT), 6)
    loader = Loader(data, 5, transform={2: AUGMENT, 0: None, 4: ToFloat()}, num_workers=num_workers)
    expected = [plain, plain, changed[2], changed[3], *[[(x / 255, y) for x, y in plain]] * 2]
    for one, other in zip(epochs(loader, 6), expected, strict=True):
        same(one, other)
    loader.seek(3, 2)
    same(list(loader), changed[3][2:])


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_workers_change_nothing(data, num_workers):
    alone = epochs(Loader(data, 4, shuffle=True, seed=3, transform=AUGMENT))
    state = torch.get_rng_state()
    shared = epochs(Loader(data, 4, shuffle=True, seed=3, transform=AUGMENT, num_workers=num_workers))
    for one, other in zip(alone, shared):
        same(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_global_generator_is_neither_read_nor_moved(data):
    loader = Loader(data, 4, shuffle=True, transform=AUGMENT)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = list(loader)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    loader.seek(0)
    same(list(loader), one)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_look_at_the_first_batch_takes_nothing_away(data, num_workers):
    loader = Loader(data, 5, shuffle=True, num_workers=num_workers)
    x, _ = next(iter(loader))
    batches = list(loader)
    assert torch.equal(x, batches[0][0])
    assert len(batches) == 5


def test_the_position_is_that_of_the_iter(data):
    loader = Loader(data, 5, shuffle=True)
    running = iter(loader)
    loader.seek(4)
    assert torch.equal(next(running)[1], loader.order(0)[:5])


def test_two_iterations_at_once(data):
    loader = Loader(data, 5, shuffle=True)
    for _ in range(2):
        for (x, _), (u, _) in zip(loader, loader):  # the second is never asked for what follows its last batch
            assert torch.equal(x, u)


def test_a_seek_with_the_last_batch_in_hand_holds(data):
    loader, seen = Loader(data, 5, shuffle=True), []
    for _, y in loader:
        seen.append(y)
        loader.seek(7)
    assert torch.equal(torch.cat(seen), loader.order(0))
    assert torch.equal(torch.cat([y for _, y in loader]), loader.order(7))


def test_with_workers_a_newer_iteration_ends_the_older(data):
    loader = Loader(data, 5, num_workers=1)
    older, newer = iter(loader), iter(loader)
    next(older)
    assert torch.equal(next(newer)[1], torch.arange(5))
    with pytest.raises(RuntimeError, match="this iteration ended when a newer one began"):
        next(older)
    assert torch.equal(next(newer)[1], torch.arange(5, 10))


class Pairs(Dataset):
    """A dataset that knows nothing of batches."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        return torch.full((1, 2, 2), float(index)), index


@pytest.mark.parametrize("num_workers", [0, 1])
def test_any_map_style_dataset(data, num_workers):
    loader = Loader(Pairs(), 3, transform=RandomHorizontalFlip(), num_workers=num_workers)
    assert [y.tolist() for _, y in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    (x, y), *_ = loader
    assert torch.equal(x, y.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).float())


def test_torchs_datasets(data):
    whole = Loader(data, 4, shuffle=True, transform=AUGMENT)
    same(list(Loader(TensorDataset(data.images, data.labels), 4, shuffle=True, transform=AUGMENT)), list(whole))
    part = [3, 1, 4, 15, 9, 2, 6]
    same(list(Loader(Subset(data, part), 3)), list(Loader(data.subset(part), 3)))


def test_a_transform_needs_something_to_transform():
    class Bare(Pairs):
        def __getitem__(self, index):
            return torch.zeros(1)

    assert len(list(Loader(Bare(), 3))) == 3
    with pytest.raises(TypeError, match=r"a transform needs batches \(x, ...\), got Tensor"):
        next(iter(Loader(Bare(), 3, transform=ToFloat())))


class Empty(Pairs):
    def __len__(self):
        return 0


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((Empty(), 4), {}, ValueError, "dataset is empty"),
        ((Pairs(), 0), {}, ValueError, "batch_size must be at least 1, got 0"),
        ((Pairs(), 2.0), {}, TypeError, "batch_size must be an int"),
        ((Pairs(), 8), {"drop_last": True}, ValueError, "drop_last leaves no batch: 7 samples are fewer than .* 8"),
        ((Pairs(), 4), {"num_workers": -1}, ValueError, "num_workers must be at least 0"),
        ((Pairs(), 4), {"seed": -1}, ValueError, "seed must be at least 0"),
        ((Pairs(), 4), {"transform": 3}, TypeError, "transform must be callable"),
        ((Pairs(), 4), {"transform": {0: ToFloat(), 2: 3}}, TypeError, "transform must be callable.*got 3"),
        ((Pairs(), 4), {"transform": {1: ToFloat()}}, ValueError, r"transform must say .* epoch 0 does, got .*\[1\]"),
        ((Pairs(), 4), {"transform": {}}, ValueError, "transform must say what epoch 0 does"),
        ((Pairs(), 4), {"transform": {0.5: ToFloat()}}, TypeError, "transform's epochs must be an int"),
        ((Stream(), 4), {}, TypeError, "dataset must be map-style.*got Stream"),
        ((iter([1]), 4), {}, TypeError, "dataset must be map-style"),
    ],
)
def test_wrong_arguments(untyped, arguments, options, error, message):
    with pytest.raises(error, match=message):
        Loader(*arguments, **options)


@pytest.mark.parametrize(("epoch", "batch", "message"), [
    (0, 3, "batch must be at most 2, the length of an epoch, got 3"),
    (-1, 0, "epoch must be at least 0"),
    (0, -1, "batch must be at least 0"),
])  # fmt: skip
def test_a_position_outside(epoch, batch, message):
    with pytest.raises(ValueError, match=message):
        Loader(Pairs(), 4).seek(epoch, batch)


@pytest.mark.gpu
def test_pinned_batches_on_a_gpu(data):
    x, y = next(iter(Loader(data, 4, pin_memory=True, transform=AUGMENT)))
    assert x.is_pinned()
    assert y.is_pinned()
    on_gpu = ImageData(data.images.cuda(), data.labels.cuda(), data.class_names, "toy")
    u, v = next(iter(Loader(on_gpu, 4, transform=AUGMENT)))
    assert torch.equal(u.cpu(), x)
    assert torch.equal(v.cpu(), y)
    doubled = on_gpu.subset(list(range(COUNT)) * 2)
    for part, same_part in zip(doubled.split(0.5), ImageData.split(data.subset(list(range(COUNT)) * 2), 0.5)):
        assert torch.equal(part.images.cpu(), same_part.images)


# ---- transforms of one sample, as torchvision's


def jittered(sample):
    """One argument; it draws from each of the global generators."""
    return sample / 255 + torch.rand(1) + random.random() + np.random.rand()  # noqa: NPY002


def torchvisions():
    v2 = pytest.importorskip("torchvision.transforms.v2")
    return v2.Compose([v2.RandomCrop(5), v2.ToDtype(torch.float32, scale=True)])


@pytest.mark.parametrize("make", [lambda: jittered, torchvisions, lambda: Compose(jittered, ToFloat())])
def test_a_transform_of_one_sample_is_applied_to_each(data, make):
    before = torch.get_rng_state(), random.getstate()
    loader = Loader(data, 8, seed=1, transform=make())
    first, second = epochs(loader, 2)
    same(first, epochs(Loader(data, 8, seed=1, transform=make()), 1)[0])
    same(first, epochs(Loader(data, 8, seed=1, transform=make(), num_workers=1), 1)[0])
    x = first[0][0]
    assert (x.dtype, len(x), x.shape[1]) == (torch.float32, 8, 3)
    assert not torch.equal(x, second[0][0])  # another epoch draws other numbers
    images = (data.images[:8] / 255).flatten(1)
    if make() is jittered:
        assert (x.flatten(1) - images).mean(1).unique().numel() == 8  # and each sample its own
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


def test_a_transform_of_one_sample_that_fails_is_named(data):
    v1 = pytest.importorskip("torchvision.transforms")
    with pytest.raises(TypeError, match=r"ToTensor failed on a sample, a tensor of torch\.uint8.*take.*ToDtype"):
        next(iter(Loader(data, 8, transform=v1.ToTensor())))
