"""Weight tables: strict, invertible, and nothing half loaded."""

import pytest
import torch

from groundup.weights.weight_map import (
    SPLIT_IN_THREE,
    TRANSPOSED,
    Absent,
    Drop,
    Row,
    WeightError,
    to_ours,
    to_theirs,
)

TABLE = (
    Row("conv1", "stem.conv"),
    Row("layer{s}.{b}.conv{c}", "stage{s}.{b}.c{c}"),
    Row("h.{i}.attn.c_attn.weight", ("b.{i}.q.weight", "b.{i}.k.weight", "b.{i}.v.weight"), *SPLIT_IN_THREE),
    Row("fc.kernel", "head.weight", *TRANSPOSED),
    Row("classifier", "head", reading_only=True),
    Drop("h.{i}.attn.bias", "the causal mask, which is no parameter"),
    Absent("norm.count", torch.zeros_like, "older files lack it"),
)


def theirs():
    torch.manual_seed(0)
    return {
        "conv1.weight": torch.randn(4, 3),
        "conv1.bias": torch.randn(4),
        "layer2.10.conv1.weight": torch.randn(2, 2),
        "h.0.attn.c_attn.weight": torch.randn(6, 5),
        "h.0.attn.bias": torch.ones(7, 7),
        "fc.kernel": torch.randn(3, 8),
    }


def model():
    shapes = {
        "stem.conv.weight": (4, 3),
        "stem.conv.bias": (4,),
        "stage2.10.c1.weight": (2, 2),
        "b.0.q.weight": (2, 5),
        "b.0.k.weight": (2, 5),
        "b.0.v.weight": (2, 5),
        "head.weight": (8, 3),
        "norm.count": (),
    }
    return {name: torch.empty(shape) for name, shape in shapes.items()}


def test_there_and_back():
    ours = to_ours(TABLE, theirs(), model())
    assert ours.keys() == model().keys()
    assert torch.equal(ours["b.0.k.weight"], theirs()["h.0.attn.c_attn.weight"][2:4])
    assert torch.equal(ours["head.weight"], theirs()["fc.kernel"].T)
    assert torch.equal(ours["norm.count"], torch.zeros(()))
    table = (*TABLE[:-1], Absent("norm.count", torch.zeros_like, "they have none", exported=False))
    back = to_theirs(table, ours)
    expected = {name: value for name, value in theirs().items() if name != "h.0.attn.bias"}
    assert back.keys() == expected.keys()
    assert all(torch.equal(back[name], expected[name]) for name in expected)


def test_old_names_are_read_and_not_written():
    source = {name.replace("fc.kernel", "classifier.weight"): value for name, value in theirs().items()}
    source["classifier.weight"] = source["classifier.weight"].T
    assert torch.equal(to_ours(TABLE, source, model())["head.weight"], source["classifier.weight"])


def test_names_and_shapes_can_be_checked_without_numbers():
    meta = {name: value.to("meta") for name, value in theirs().items()}
    assert all(value.is_meta for name, value in to_ours(TABLE, meta, model()).items() if name != "norm.count")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extra.weight": torch.ones(1)}, "tensors that the model does not know: extra.weight"),
        ({"conv1.bias": None}, "nothing in the file fills stem.conv.bias"),
        (
            {"conv1.weight": torch.ones(4, 1)},
            r"conv1.weight has the shape \(4, 1\), stem.conv.weight of the model \(4, 3\)",
        ),
        ({"conv1.scale": torch.ones(4)}, "conv1.scale would be stem.conv.scale, which the model does not have"),
        ({"classifier.weight": torch.ones(8, 3)}, "head.weight is given twice, the second time by classifier.weight"),
    ],
)
def test_what_does_not_fit_is_named(change, words):
    source = {name: value for name, value in {**theirs(), **change}.items() if value is not None}
    with pytest.raises(WeightError, match=words):
        to_ours(TABLE, source, model())


def test_a_model_without_a_row_cannot_be_exported():
    with pytest.raises(WeightError, match=r"no row for other\.weight"):
        to_theirs(TABLE, {"other.weight": torch.ones(1)})
    with pytest.raises(WeightError, match=r"b\.0\.q\.weight goes with b\.0\.v\.weight"):
        to_theirs(TABLE, {"b.0.q.weight": torch.ones(1), "b.0.k.weight": torch.ones(1)})
