"""ImageData: what it holds fits together, and a split is disjoint, stratified and repeatable."""

import pytest
import torch
from torch.utils.data import DataLoader

from groundup.data import ImageData, digits


def make(counts=(5, 3), **changes):
    labels = torch.cat([torch.full((n,), i) for i, n in enumerate(counts)])
    images = torch.arange(len(labels) * 6, dtype=torch.uint8).view(-1, 1, 2, 3)
    fields = {"images": images, "labels": labels, "class_names": tuple("abcdefg"[: len(counts)]), "name": "toy"}
    return ImageData(**fields | changes)


def test_indexing_by_one_and_by_many():
    data = make()
    image, label = data[6]
    assert torch.equal(image, data.images[6])
    assert label == 1
    images, labels = data.batch(torch.tensor([7, 0, 0]))
    assert torch.equal(images, data.images[[7, 0, 0]])
    assert labels.tolist() == [1, 0, 0]
    assert len(data) == 8


def test_pytorchs_own_loader_reads_it():
    data = make()
    batches = list(DataLoader(data, batch_size=3))
    assert torch.equal(torch.cat([x for x, _ in batches]), data.images)
    assert torch.equal(torch.cat([y for _, y in batches]), data.labels)


def test_subset():
    data = make()
    part = data.subset([6, 1])
    assert torch.equal(part.images, data.images[[6, 1]])
    assert part.labels.tolist() == [1, 0]
    assert part.class_names == data.class_names


@pytest.mark.parametrize("counts", [(40, 30, 30), (7, 2, 91), (50, 0, 3), (11, 13, 17, 19)])
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.37, 0.01, 0.99])
def test_a_split_is_a_partition_in_proportion(counts, fraction):
    data = make(counts)
    data = make(counts, images=torch.arange(float(len(data))).view(-1, 1, 1, 1))  # every image is its own index
    rest, part = data.split(fraction, seed=3)
    rest_ids, part_ids = rest.images.flatten().tolist(), part.images.flatten().tolist()
    assert sorted(rest_ids + part_ids) == list(range(len(data)))
    assert rest_ids == sorted(rest_ids)
    assert part_ids == sorted(part_ids)
    for split in (rest, part):
        assert torch.equal(split.labels, data.labels[split.images.flatten().long()])
    for label, count in enumerate(counts):
        share = int((part.labels == label).sum())
        assert abs(share - count * fraction) < 1 or share in (1, count - 1)
        assert count == 0 or 1 <= share <= count - 1
    if all(min(fraction, 1 - fraction) * count >= 1 for count in counts):
        assert len(part) == round(fraction * len(data))


def test_a_split_is_random_and_repeats():
    data, _ = digits()
    images = [data.split(0.5, seed)[1].images for seed in (0, 0, 1)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_a_split_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    make((9, 9)).split(0.5, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_repr_is_short():
    assert repr(make(note="half")) == "ImageData(toy: 8 images 1x2x3 uint8, 2 classes; half)"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": torch.zeros(8, 2, 3)}, ValueError, r"images must have shape \(N, C, H, W\)"),
        ({"images": [[1]]}, TypeError, "images must be a torch.Tensor, got list"),
        ({"images": torch.zeros(8, 1, 2, 3, dtype=torch.int32)}, TypeError, "images must be uint8 or floating"),
        ({"images": torch.zeros(7, 1, 2, 3)}, ValueError, "labels must have 7 entries, one for each image"),
        ({"labels": torch.zeros(8)}, TypeError, r"labels must be int64, got torch.float32.*labels.long\(\)"),
        ({"labels": torch.zeros(8, 1).long()}, ValueError, r"labels must have shape \(N,\)"),
        ({"labels": torch.full((8,), 2)}, ValueError, r"labels must be in 0\.\.1.*got 2"),
        ({"labels": torch.full((8,), -1)}, ValueError, r"labels must be in 0\.\.1.*got -1"),
        ({"class_names": "ab"}, TypeError, "class_names must be a tuple of str"),
        ({"images": torch.zeros(0, 1, 2, 3), "labels": torch.zeros(0).long()}, ValueError, "toy is empty"),
    ],
)
def test_what_does_not_fit(untyped, changes, error, message):
    with pytest.raises(error, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        ([8], ValueError, r"indices must be in 0\.\.7, got 8\.\.8"),
        ([-1], ValueError, r"indices must be in 0\.\.7, got -1"),
        ([], ValueError, "at least one image"),
        (torch.ones(8, dtype=torch.bool), TypeError, "from a mask"),
    ],
)
def test_a_bad_subset(untyped, indices, error, message):
    with pytest.raises(error, match=message):
        make().subset(indices)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_bad_fraction(fraction):
    with pytest.raises(ValueError, match="fraction"):
        make().split(fraction)


def test_a_class_with_one_image_cannot_be_split():
    with pytest.raises(ValueError, match="class 'b' of toy has one sample"):
        make((4, 1)).split(0.5)
