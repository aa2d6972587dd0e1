"""Penalties, the max-norm constraint, clipping, and weight-decay groups."""

import copy

import pytest
import torch
from optimizer_table import copies, distance, parameters
from torch import nn

from groundup.backend import backend
from groundup.optimizers import (
    SGD,
    AdamW,
    clip_by_global_norm_,
    clip_by_value_,
    decay_groups,
    elastic_penalty,
    l1_penalty,
    l2_penalty,
    max_norm_,
)

both_bodies = pytest.mark.parametrize("mode", ["reference", "fused"])


def with_gradients(*shapes, dtype=torch.float64, scale=1.0):
    params = parameters(*shapes, dtype=dtype)
    for p in params:
        p.grad = torch.randn_like(p) * scale
    return params


def cloned(params):
    others = copies(params)
    for p, q in zip(params, others):
        q.grad = None if p.grad is None else p.grad.clone()
    return others


def gradients(params):
    return [p.grad for p in params if p.grad is not None]


# --- clipping -------------------------------------------------------------------------------------------------------


@both_bodies
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 1e6, float("inf")])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_clipping_by_global_norm_equals_torchs(mode, max_norm, dtype, tolerance):
    a = with_gradients((3, 4), (5,), (), (0, 2), dtype=dtype)
    a.append(nn.Parameter(torch.zeros(2)))  # no gradient
    b = cloned(a)
    with backend(mode):
        norm = clip_by_global_norm_(a, max_norm)
    torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(b, max_norm), rtol=tolerance, atol=0)
    assert distance(gradients(a), gradients(b)) < tolerance
    assert torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients(a)])) <= max_norm + 1e-6


@both_bodies
@pytest.mark.parametrize("params", [[], [nn.Parameter(torch.ones(3))]], ids=["no parameters", "no gradients"])
def test_with_nothing_to_clip_the_norm_is_zero(mode, params):
    with backend(mode):
        assert clip_by_global_norm_(params, 1.0).item() == 0.0
        clip_by_value_(params, 1.0)


@both_bodies
def test_one_parameter_a_generator_and_mixed_dtypes_are_clipped(mode):
    a = [*with_gradients((3, 4)), *with_gradients((4,), dtype=torch.float32)]
    total = sum(g.double().square().sum() for g in gradients(a)).sqrt()
    with backend(mode):
        torch.testing.assert_close(clip_by_global_norm_((p for p in a), 1.0).double(), total, rtol=1e-6, atol=0)
        assert clip_by_global_norm_(a[0], 1.0) <= 1.0


@both_bodies
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_of_half_precision_gradients_do_not_overflow(mode, dtype):
    (p,) = with_gradients((1000,), dtype=torch.float32)
    expected = p.grad.to(dtype).float().mul(1000).norm()
    p = nn.Parameter(p.detach().to(dtype))
    p.grad = torch.randn(1000).to(dtype)
    expected = p.grad.float().norm() * 10_000
    p.grad *= 10_000
    with backend(mode):
        norm = clip_by_global_norm_([p], 1.0)
    torch.testing.assert_close(norm, expected, rtol=1e-2, atol=0)
    torch.testing.assert_close(p.grad.float().norm(), torch.tensor(1.0), rtol=1e-2, atol=0)


@both_bodies
def test_sparse_and_complex_gradients_are_clipped(mode):
    layer = nn.Embedding(10, 3, sparse=True)
    layer(torch.tensor([1, 2, 2])).sum().backward()
    z = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    z.grad = torch.tensor([3 + 4j, 0j])
    expected = (layer.weight.grad.to_dense().square().sum() + 25).sqrt()
    with backend(mode):
        torch.testing.assert_close(clip_by_global_norm_([layer.weight, z], 1.0), expected)
        torch.testing.assert_close(clip_by_global_norm_([layer.weight, z], 1.0), torch.tensor(1.0))
    assert layer.weight.grad.is_sparse


@both_bodies
def test_clipping_by_value_equals_torchs(mode):
    a = with_gradients((3, 4), (5,), (), scale=3.0)
    b = cloned(a)
    with backend(mode):
        clip_by_value_(a, 0.5)
    nn.utils.clip_grad_value_(b, 0.5)
    assert distance(gradients(a), gradients(b)) == 0


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_a_bound_that_is_none_is_an_error(bad):
    (p,) = with_gradients((3,))
    with pytest.raises(ValueError, match="max_norm must be at least 0"):
        clip_by_global_norm_([p], bad)
    with pytest.raises(ValueError, match="limit must be"):
        clip_by_value_([p], bad)
    with pytest.raises(ValueError, match="max_norm must be"):
        max_norm_([p], bad)


# --- penalties --------------------------------------------------------------------------------------------------------


def test_the_l2_penalty_is_the_weight_decay_of_sgd():
    a = with_gradients((3, 4), (5,))
    b = cloned(a)
    SGD(a, lr=0.1, weight_decay=0.3).step()
    l2_penalty(b, 0.3).backward()  # adds to the gradient
    SGD(b, lr=0.1).step()
    assert distance(a, b) < 1e-15


def test_the_penalties_are_what_they_say():
    w, v = torch.tensor([1.0, -2.0]), torch.tensor(3.0)
    assert l1_penalty([w, v], 0.5).item() == 3.0
    assert l2_penalty([w, v], 0.5).item() == 0.5 * 14 / 2
    assert elastic_penalty([w, v], 2.0, l1_ratio=0.25).item() == 2 * (0.25 * 6 + 0.75 * 14 / 2)
    assert l1_penalty(w, 1.0).item() == 3.0
    assert elastic_penalty([w], 0.0).item() == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 1.0), "parameters is empty"),
        (([W := torch.ones(2)], -1.0), "strength must be"),
        (([W], 1.0, 1.5), "l1_ratio"),
    ],
)
def test_penalties_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        elastic_penalty(*arguments)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 2, 2)])
def test_max_norm_equals_renorm_and_leaves_short_rows_alone(shape):
    weight = nn.Parameter(
        torch.randn(shape, dtype=torch.float64) * torch.tensor([0.1, 1, 5, 0]).reshape(-1, *[1] * (len(shape) - 1))
    )
    bias = nn.Parameter(torch.full((4,), 9.0))
    before = weight.detach().clone()
    max_norm_([weight, bias], 1.5)
    torch.testing.assert_close(weight.detach(), torch.renorm(before, 2, 0, 1.5), rtol=1e-6, atol=1e-9)
    assert torch.equal(weight[[0, 3]], before[[0, 3]])
    assert weight.flatten(1).norm(dim=1).max() <= 1.5 + 1e-12
    assert bias.eq(9.0).all()


def test_max_norm_of_zero_empties():
    weight = nn.Parameter(torch.randn(3, 2))
    max_norm_(weight, 0.0)
    assert weight.eq(0).all()


# --- groups -----------------------------------------------------------------------------------------------------------


def network():
    return nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def names(groups):
    return [([name for name, _ in group["params"]], group["weight_decay"]) for group in groups]


def test_biases_and_norms_do_not_decay():
    groups = decay_groups(network(), 0.1)
    assert names(groups) == [
        (["0.weight", "1.weight", "3.weight"], 0.1),
        (["1.bias", "2.weight", "2.bias", "3.bias"], 0.0),
    ]
    optimizer = AdamW(groups, lr=0.1)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    assert optimizer.param_groups[1]["param_names"] == ["1.bias", "2.weight", "2.bias", "3.bias"]


def test_more_is_left_out_by_name_or_by_a_function():
    model = network()
    assert names(decay_groups(model, 0.1, skip=["0.*", "3.*"]))[0] == (["1.weight"], 0.1)
    assert names(decay_groups(model, 0.1, skip="0.*"))[0] == (["1.weight", "3.weight"], 0.1)
    assert names(decay_groups(model.named_parameters(), 0.1, skip=lambda name, p: p.dim() > 1))[1] == (
        ["0.weight", "1.weight", "3.weight"],
        0.0,
    )


def test_a_group_without_members_is_left_out():
    assert names(decay_groups(nn.Linear(2, 2, bias=False), 0.1)) == [(["weight"], 0.1)]


def test_what_does_not_decay_stays_where_it_is():
    model = network()
    before = copy.deepcopy(model.state_dict())
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    AdamW(decay_groups(model, 0.5), lr=0.1).step()
    assert torch.equal(model[2].weight, before["2.weight"])
    torch.testing.assert_close(model[1].weight.detach(), before["1.weight"] * 0.95)


def test_groups_refuse():
    with pytest.raises(ValueError, match=r"'\*\.norm\*' matches no parameter"):
        decay_groups(network(), 0.1, skip=["*.norm*"])
    with pytest.raises(ValueError, match="weight_decay must be"):
        decay_groups(network(), -0.1)
