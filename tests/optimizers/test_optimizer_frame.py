"""What all optimizers share: groups, names, closures, skipped and shared parameters, and answers to bad input."""

import re

import pytest
import torch
from optimizer_table import copies, distance, every_rule, give_gradients, parameters
from torch import nn

from groundup import optimizers
from groundup.backend import backend
from groundup.optimizers import SGD, Adam, AdamW, Optimizer, SGD_Momentum


@every_rule
def test_groups_step_with_hyperparameters_of_their_own(rule):
    a = parameters((3, 4), (5,), (2,))
    b = copies(a)
    groups = lambda p: [{"params": [p[0]], "lr": 0.5}, {"params": iter([p[1]])}]  # noqa: E731
    mine, theirs = rule.pair(groups(a), groups(b))
    for optimizer, params in ((mine, a), (theirs, b)):
        optimizer.add_param_group({"params": params[2], "lr": 0.3, "weight_decay": 0.2, "maximize": True})
    for step in range(5):
        give_gradients(a, b, step=step)
        mine.step()
        theirs.step()
    assert distance(a, b) < 1e-12


@every_rule
def test_parameters_without_gradients_are_left_alone_and_keep_no_state(rule):
    a, b = parameters((3,), (3,))
    optimizer = rule.ours([a, b], **rule.options)
    before = b.detach().clone()
    for step in range(3):
        give_gradients([a], step=step)
        optimizer.step()
    assert torch.equal(b, before)
    assert b not in optimizer.state
    give_gradients([b], step=0)
    optimizer.step()
    assert not torch.equal(b, before)


@every_rule
def test_no_gradients_at_all_is_a_step_that_does_nothing(rule):
    params = parameters((3,))
    before = copies(params)
    rule.ours(params, **rule.options).step()
    assert distance(params, before) == 0


def test_a_shared_module_is_stepped_once():
    shared = nn.Linear(3, 3, bias=False)
    model = nn.Sequential(shared, shared)
    with torch.no_grad():
        shared.weight.fill_(1.0)
    optimizer = SGD(model.parameters(), lr=0.1)
    shared.weight.grad = torch.ones(3, 3)
    optimizer.step()
    assert torch.equal(shared.weight, torch.full((3, 3), 0.9))


@every_rule
def test_a_closure_is_called_with_gradients_on_and_its_loss_returned(rule):
    (p,) = parameters((3,))
    optimizer = rule.ours([p], **rule.options)

    def closure():
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    first = closure().item()
    with torch.no_grad():
        assert optimizer.step(closure).item() == first
    assert closure().item() < first
    assert optimizer.step() is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_gradients_that_are_not_finite_are_found_before_anything_changes(mode, bad):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = Adam(model.named_parameters(), check_finite=True)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    model[1].bias.grad[1] = bad
    before = copies(model.parameters())
    with backend(mode), pytest.raises(FloatingPointError, match=r"'1\.bias' is NaN or infinite"):
        optimizer.step()
    assert distance(model.parameters(), before) == 0
    assert not optimizer.state
    model[1].bias.grad[1] = 1e30  # large is not infinite
    optimizer.step()


def test_sparse_gradients_are_checked_too():
    layer = nn.Embedding(4, 2, sparse=True)
    optimizer = SGD(layer.parameters(), lr=0.1, check_finite=True)
    (layer(torch.tensor([1])) * torch.nan).sum().backward()
    with pytest.raises(FloatingPointError, match="parameter 0 of group 0"):
        optimizer.step()


def test_hooks_of_torch_run():
    params = parameters((2,))
    optimizer, calls = Adam(params), []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    give_gradients(params, step=0)
    optimizer.step()
    assert calls == ["before", "after"]


def test_an_optimizer_of_ones_own_is_its_rule_alone():
    class SignDescent(Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, lr=lr)

        @staticmethod
        def rule(group, params, grads):
            for p, g in zip(params, grads):
                p -= group["lr"] * g.sign()

    (p,) = parameters((4,))
    start = p.detach().clone()
    give_gradients([p], step=0)
    SignDescent([p], lr=0.5).step()
    assert torch.equal(p, start - 0.5 * p.grad.sign())
    with pytest.raises(NotImplementedError, match="Optimizer must define rule"):
        Optimizer([p], lr=0.1).step()


# --- bad input ----------------------------------------------------------------------------------------------------

W = nn.Parameter(torch.zeros(2))
BAD_VALUES = [
    (SGD, {"lr": -0.1}, ValueError, "lr must be"),
    (SGD, {"lr": float("nan")}, ValueError, "lr must be"),
    (SGD, {"lr": "0.1"}, TypeError, "lr must be a number"),
    (SGD, {"lr": 0.1, "weight_decay": -1.0}, ValueError, "weight_decay must be"),
    (SGD, {"lr": 0.1, "maximize": 1}, TypeError, "maximize must be True or False"),
    (SGD_Momentum, {"lr": 0.1, "momentum": -0.9}, ValueError, "momentum must be"),
    (SGD_Momentum, {"lr": 0.1, "momentum": 1.5}, ValueError, "momentum must be"),
    (SGD_Momentum, {"lr": 0.1, "nesterov": "yes"}, TypeError, "nesterov must be"),
    (optimizers.AdaGrad, {"lr": -1.0}, ValueError, "lr must be"),
    (optimizers.AdaGrad, {"eps": -1.0}, ValueError, "eps must be"),
    (optimizers.RMSProp, {"alpha": 1.5}, ValueError, "alpha must be"),
    (optimizers.RMSProp, {"centered": None}, TypeError, "centered must be"),
    (optimizers.AdaDelta, {"rho": -0.1}, ValueError, "rho must be"),
    (optimizers.AdaDelta, {"lr": None}, TypeError, "lr must be a number"),
    (Adam, {"betas": (0.9, 1.0)}, ValueError, "betas must be in"),
    (Adam, {"betas": (-0.1, 0.9)}, ValueError, r"betas\[0\] must be"),
    (Adam, {"betas": 0.9}, TypeError, "betas must be a pair"),
    (Adam, {"betas": (0.9, 0.99, 0.999)}, TypeError, "betas must be a pair"),
    (AdamW, {"eps": float("inf")}, ValueError, "eps must be"),
]


@pytest.mark.parametrize(("cls", "options", "error", "message"), BAD_VALUES)
def test_a_hyperparameter_out_of_range_is_named(cls, options, error, message, untyped):
    with pytest.raises(error, match=message):
        cls([W], **options)


@pytest.mark.parametrize(("cls", "options", "error", "message"), BAD_VALUES)
def test_and_so_in_a_group(cls, options, error, message):
    required = {"lr": 0.1} if cls in (SGD, SGD_Momentum) else {}
    with pytest.raises(error, match=message):
        cls([{"params": [W], **options}], **required)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "params is empty"),
        (iter(()), ValueError, "params is empty"),
        (W, TypeError, "params must be an iterable of parameters, got one tensor"),
        (nn.Linear(2, 2), TypeError, r"pass module.parameters\(\)"),
        ([W, W], ValueError, "one parameter twice, as position 0 and as position 1"),
        ([("a.weight", W), ("b.weight", W)], ValueError, "twice, as 'a.weight' and as 'b.weight'"),
        ([{"params": [W]}, {"params": [W]}], ValueError, "twice, as parameter 0 of group 0"),
        ([{"parameters": [W]}], TypeError, "key 'params'"),
        ([{"params": {W}}], TypeError, "sets will change"),
        ([1.0], TypeError, "can only optimize Tensors"),
        ([W * 2], ValueError, "non-leaf"),
    ],
)
@every_rule
def test_parameters_that_are_none(rule, params, error, message, untyped):
    with pytest.raises(error, match=re.compile(message)):
        rule.ours(params, **rule.options)


def test_a_refused_group_leaves_the_optimizer_as_it_was():
    optimizer = Adam([W])
    for group in ({"params": [W]}, {"params": parameters((2,)), "lr": -1.0}):
        with pytest.raises(ValueError, match=r"twice|lr must be"):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1


def test_the_callers_group_is_not_written_to():
    group = {"params": [W]}
    Adam([group])
    assert group == {"params": [W]}
