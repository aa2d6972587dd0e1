"""Every update rule against torch.optim: trajectories, in all its bodies, on tensors of every kind."""

import inspect

import pytest
import torch
from optimizer_table import BODIES, body, copies, distance, every_rule, give_gradients, parameters

from groundup import optimizers
from groundup.backend import backend, registry
from rows.optimizers import RULES

SHAPES = ((3, 4), (5,), (2, 3, 2, 2), (), (0, 4))
CASES = [
    pytest.param(rule, options, name, id=f"{rule.name}[{','.join(f'{k}={v}' for k, v in options.items())}]-{name}")
    for rule in RULES
    for options in (*rule.grid, {**rule.grid[-1], "maximize": True})
    for name in BODIES
    if name != "fused" or rule.fused
]


@pytest.mark.parametrize(("rule", "options", "name"), CASES)
def test_fifty_steps_equal_torch_optim_under_a_changing_learning_rate(rule, options, name, monkeypatch, measured):
    a = parameters(*SHAPES)
    b = copies(a)
    mine, theirs = rule.pair(a, b, **options)
    with body(name, monkeypatch):
        for step in range(50):
            give_gradients(a, b, step=step)
            mine.step()
            theirs.step()
            for group in (*mine.param_groups, *theirs.param_groups):
                group["lr"] *= 0.97
    assert distance(a, b) < 1e-12
    measured(rule.name, torch.float64, {"outputs": distance(a, b)})


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("name", ["multi_tensor", "fused"])
@every_rule
def test_low_precision_equals_the_same_implementation_of_torch(rule, name, dtype, tolerance, monkeypatch, measured):
    if name == "fused" and not rule.fused:
        pytest.skip("PyTorch has no fused step for this rule")
    a = parameters(*SHAPES, dtype=dtype)
    b = copies(a)
    mine, theirs = rule.pair(a, b)
    for group in theirs.param_groups:
        group["fused"], group["foreach"] = name == "fused", name == "multi_tensor"
    with body(name, monkeypatch):
        for step in range(20):
            give_gradients(a, b, step=step)
            mine.step()
            theirs.step()
    assert distance(a, b) < tolerance * 4
    measured(rule.name, dtype, {"outputs": distance(a, b)})


def layouts():
    """Pairs (parameter, gradient layout) that a kernel walking memory in order would get wrong."""
    base = torch.randn(6, 8, dtype=torch.float64)
    image = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    return {
        "transposed": (base.clone().t(), base.t()),
        "with gaps": (base.clone()[:, ::2], base[:, ::2]),
        "transposed gradient": (base.clone(), torch.empty(8, 6, dtype=torch.float64).t()),
        "channels last": (
            image.clone().to(memory_format=torch.channels_last),
            image.to(memory_format=torch.channels_last),
        ),
        "channels last, gradient not": (image.clone().to(memory_format=torch.channels_last), image),
        "expanded gradient": (base.clone(), torch.empty(1, 8, dtype=torch.float64).expand(6, 8)),
    }


@pytest.mark.parametrize("layout", layouts())
@pytest.mark.parametrize("mode", ["auto", "reference", "fused"])
@every_rule
def test_any_layout(rule, mode, layout):
    tensor, like = layouts()[layout]
    a, b = [torch.nn.Parameter(tensor)], [torch.nn.Parameter(tensor.clone(memory_format=torch.contiguous_format))]
    beside = parameters((4,))
    a, b = [*a, *copies(beside)], [*b, *copies(beside)]
    mine, theirs = rule.pair(a, b)
    with backend(mode):
        for step in range(5):
            give_gradients(a, b, step=step)
            if layout == "expanded gradient":
                b[0].grad = b[0].grad[:1].expand(6, 8).contiguous()
                a[0].grad = b[0].grad[:1].expand(6, 8)
            else:
                a[0].grad = torch.empty_like(like).copy_(b[0].grad)
            mine.step()
            theirs.step()
    assert distance(a, b) < 1e-12


@every_rule
def test_mixed_dtypes_in_one_group(rule):
    a = [*parameters((3, 4)), *parameters((3, 4), dtype=torch.float32, seed=1), *parameters((2,), seed=2)]
    b = copies(a)
    mine, theirs = rule.pair(a, b)
    for step in range(5):
        give_gradients(a, b, step=step)
        mine.step()
        theirs.step()
    assert distance(a[::2], b[::2]) < 1e-12
    assert distance(a[1:2], b[1:2]) < 1e-6
    assert [p.dtype for p in a] == [torch.float64, torch.float32, torch.float64]


@pytest.mark.parametrize("mode", ["reference", "fused"])
@every_rule
def test_complex_parameters(rule, mode):
    a = [torch.nn.Parameter(torch.randn(3, 2, dtype=torch.complex128))]
    b = copies(a)
    mine, theirs = rule.pair(a, b)
    for _ in range(5):
        a[0].grad = torch.randn_like(a[0])
        b[0].grad = a[0].grad.clone()
        with backend(mode):
            mine.step()
        theirs.step()
    assert distance(a, b) < 1e-12


@pytest.mark.parametrize("name", [n for n, f in registry.items() if "optimizers" in f.reference.__module__])
def test_the_bodies_have_one_signature(name):
    step = registry[name]
    assert list(inspect.signature(step.reference).parameters) == list(inspect.signature(step.fused).parameters)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # torch.optim.Adagrad's own
@pytest.mark.parametrize("mode", ["auto", "reference", "fused"])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.sparse], ids=lambda rule: rule.name)
def test_sparse_embedding_gradients(rule, maximize, mode):
    a = torch.nn.Embedding(10, 3, sparse=True, dtype=torch.float64)
    b = torch.nn.Embedding(10, 3, sparse=True, dtype=torch.float64)
    b.load_state_dict(a.state_dict())
    mine, theirs = rule.pair(a.parameters(), b.parameters(), maximize=maximize)
    untouched = a.weight[9].clone()
    with backend(mode):
        for step in range(10):
            words = torch.tensor([step % 7, 2, 2, 5])  # a repeated row must be summed before it is squared
            for module, optimizer in ((a, mine), (b, theirs)):
                optimizer.zero_grad()
                (module(words).cos().sum() * (step + 1)).backward()
                assert module.weight.grad.is_sparse
                optimizer.step()
    assert distance([a.weight], [b.weight]) < 1e-12
    assert torch.equal(a.weight[9], untouched)


@every_rule
def test_sparse_gradients_are_refused_where_a_step_moves_every_entry(rule):
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Embedding(4, 3, sparse=True))
    optimizer = rule.ours(module.named_parameters(), **rule.options, weight_decay=0.1)
    module[0](torch.ones(2)).sum().backward()
    module[1](torch.tensor([1])).sum().backward()
    before = [p.detach().clone() for p in module.parameters()]
    with pytest.raises(ValueError, match=r"'1.weight' is sparse.*sparse=False"):
        optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), before)), "the check comes before any update"
    optimizer = rule.ours([module[1].weight], **rule.options, **({} if rule.name != "AdamW" else {"weight_decay": 0.0}))
    if rule.sparse:
        optimizer.step()
    else:
        with pytest.raises(ValueError, match="parameter 0 of group 0, shape"):
            optimizer.step()


@every_rule
def test_the_step_traces_without_a_break(rule, untyped):
    a = parameters((3, 4), (5,))
    b = copies(a)
    mine, traced = rule.ours(a, **rule.options), rule.ours(b, **rule.options)
    torch._dynamo.reset()
    with backend("auto"):
        step = torch.compile(traced.step, fullgraph=True, backend="eager")
        for k in range(4):
            give_gradients(a, b, step=k)
            mine.step()
            step()
            for group in (*mine.param_groups, *traced.param_groups):
                group["lr"] *= 0.9
    assert distance(a, b) < 1e-12


@pytest.mark.parametrize("name", BODIES)
@every_rule
def test_a_step_leaves_the_gradients_as_they_were(rule, name, monkeypatch):
    if name == "fused" and not rule.fused:
        pytest.skip("PyTorch has no fused step for this rule")
    for options in rule.grid:
        a = parameters(*SHAPES)
        give_gradients(a, step=0)
        before = [p.grad.clone() for p in a]
        with body(name, monkeypatch):
            rule.ours(a, **rule.options, **options).step()
        assert all(torch.equal(p.grad, g) for p, g in zip(a, before))


# --- the mistakes of others, and what holds ---------------------------------------------------------------------


def test_adadelta_scales_its_step_by_the_learning_rate():
    a = parameters((3,))
    b = copies(a)
    start = a[0].detach().clone()
    give_gradients(a, b, step=0)
    optimizers.AdaDelta(a).step()
    optimizers.AdaDelta(b, lr=0.1).step()
    torch.testing.assert_close((b[0] - start) * 10, a[0] - start)


def test_adadelta_has_a_learning_rate_a_scheduler_can_use():
    optimizer = optimizers.AdaDelta(parameters((3,)))
    optimizers.LR_Scheduler(optimizer, decay=0.5)
    assert optimizer.param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize("betas", [(0, 0.9), (0.9, 0)])
def test_betas_may_mix_ints_and_floats(betas):
    a = parameters((3,))
    b = copies(a)
    mine, theirs = optimizers.Adam(a, betas=betas), torch.optim.Adam(b, betas=tuple(map(float, betas)))
    for step in range(3):
        give_gradients(a, b, step=step)
        mine.step()
        theirs.step()
    assert distance(a, b) < 1e-12


def test_decay_beside_the_step_differs_from_decay_in_the_gradient_for_adam_and_not_for_sgd():
    a = parameters((4,))
    b, c, d = copies(a), copies(a), copies(a)
    start = a[0].detach().clone()
    give_gradients(a, b, c, d, step=0)
    optimizers.AdamW(a, lr=0.1, weight_decay=0.5).step()
    optimizers.Adam(b, lr=0.1, weight_decay=0.5).step()
    assert distance(a, b) > 1e-3
    optimizers.Adam(c, lr=0.1).step()
    torch.testing.assert_close(a[0] - c[0], -0.1 * 0.5 * start, rtol=1e-12, atol=1e-12)
    optimizers.SGD(d, lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(d[0].detach(), start * (1 - 0.1 * 0.5) - 0.1 * d[0].grad, rtol=1e-12, atol=1e-12)


def test_the_first_step_of_adam_is_as_long_as_the_learning_rate():
    (p,) = parameters((6,))
    start = p.detach().clone()
    give_gradients([p], step=0)
    optimizers.Adam([p], lr=0.01).step()
    torch.testing.assert_close(p.detach(), start - 0.01 * p.grad.sign(), rtol=0, atol=1e-8)
