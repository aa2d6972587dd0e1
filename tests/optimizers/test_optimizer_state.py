"""The state of an optimizer: resumed to the bit, exchanged with torch.optim, copied, and used by tools."""

import copy
import io
import pickle

import pytest
import torch
from optimizer_table import copies, distance, every_rule, give_gradients, parameters
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict

from groundup import optimizers
from groundup.backend import backend

SHAPES = ((3, 4), (5,), ())


def run(params, optimizer, steps):
    for step in steps:
        give_gradients(params, step=step)
        optimizer.step()


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("mode", ["auto", "reference"])
@every_rule
def test_a_run_cut_in_half_and_resumed_equals_the_uncut_one_to_the_bit(rule, mode):
    a = parameters(*SHAPES)
    b = copies(a)
    with backend(mode):
        uncut, first = (rule.ours(params, **rule.options, **rule.grid[-1]) for params in (a, b))
        run(a, uncut, range(20))
        run(b, first, range(10))
        c = copies(b)
        second = rule.ours(c, **rule.options)  # the group's hyperparameters come with the state
        second.load_state_dict(through_a_file(first.state_dict()))
        run(c, second, range(10, 20))
    assert all(torch.equal(p, q) for p, q in zip(a, c))


@pytest.mark.parametrize("options_index", [0, -1])
@every_rule
def test_state_goes_to_torch_optim_and_back_mid_run(rule, options_index):
    options = rule.grid[options_index]
    a = parameters(*SHAPES)
    b = copies(a)
    mine, theirs = rule.pair(a, b, **options)
    run(a, mine, range(5))
    run(b, theirs, range(5))

    c, d = copies(a), copies(b)
    from_theirs, from_mine = rule.pair(c, d)
    from_theirs.load_state_dict(through_a_file(theirs.state_dict()))
    from_mine.load_state_dict(through_a_file(mine.state_dict()))
    for params, optimizer in ((a, mine), (b, theirs), (c, from_theirs), (d, from_mine)):
        run(params, optimizer, range(5, 15))
    assert distance(a, b) < 1e-12
    assert distance(a, c) < 1e-12
    assert distance(a, d) < 1e-12


@every_rule
def test_the_keys_of_the_state_are_those_of_torch(rule):
    a = parameters(*SHAPES)
    mine, theirs = rule.pair(a, copies(a), **rule.grid[-1])
    run(a, mine, range(1))
    run(theirs.param_groups[0]["params"], theirs, range(1))
    for index, state in theirs.state_dict()["state"].items():
        own = mine.state_dict()["state"].get(index, {})
        assert set(own) == {name for name, value in state.items() if value is not None}
        for name, value in own.items():
            assert (value.shape, value.dtype) == (state[name].shape, state[name].dtype)


@every_rule
def test_loading_copies(rule):
    a = parameters(*SHAPES)
    b = copies(a)
    mine, other = rule.ours(a, **rule.options), rule.ours(b, **rule.options)
    run(a, mine, range(3))
    state = mine.state_dict()
    kept = copy.deepcopy(state)
    other.load_state_dict(state)
    run(b, other, range(3, 6))
    for index, values in state["state"].items():
        for name, value in values.items():
            assert torch.equal(value, kept["state"][index][name]), "two optimizers must not share one state"


def test_loading_what_another_rule_saved_is_an_error_and_changes_nothing():
    a = parameters(*SHAPES)
    cases = [
        (torch.optim.Adam(copies(a), amsgrad=True), optimizers.Adam(a), "amsgrad"),
        (torch.optim.AdamW(copies(a)), optimizers.Adam(a), "decoupled_weight_decay"),
        (torch.optim.Adam(copies(a)), optimizers.AdamW(a), "decoupled_weight_decay"),
        (torch.optim.SGD(copies(a), momentum=0.9), optimizers.SGD(a, lr=0.1), "momentum"),
        (torch.optim.SGD(copies(a), momentum=0.9, dampening=0.5), optimizers.SGD_Momentum(a, lr=0.1), "dampening"),
        (torch.optim.Adagrad(copies(a), lr_decay=0.1), optimizers.AdaGrad(a), "lr_decay"),
    ]
    for theirs, mine, option in cases:
        run(a, mine, range(2))
        before = copy.deepcopy(mine.state_dict())
        with pytest.raises(ValueError, match=option):
            mine.load_state_dict(theirs.state_dict())
        torch.testing.assert_close(mine.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("named", [False, True])
def test_loading_a_state_of_another_shape_names_the_parameter(named):
    a, b = parameters((4, 8)), parameters((1, 8))
    small = optimizers.Adam(b)
    run(b, small, range(1))
    mine = optimizers.Adam([("head.weight", a[0])] if named else a)
    with pytest.raises(ValueError, match=r"exp_avg of .*(1, 8).*(4, 8)") as error:
        mine.load_state_dict(small.state_dict())
    assert ("'head.weight'" in str(error.value)) == named
    assert not mine.state
    run(a, mine, range(1))


def test_a_state_saved_before_an_option_existed_takes_its_default():
    a = parameters(*SHAPES)
    mine = optimizers.Adam(a)
    run(a, mine, range(2))
    state = mine.state_dict()
    for name in ("maximize", "check_finite", "decoupled_weight_decay", "amsgrad"):
        del state["param_groups"][0][name]
    other = optimizers.Adam(copies(a))
    other.load_state_dict(state)
    run(other.param_groups[0]["params"], other, range(2, 4))


def test_a_count_saved_as_a_number_is_loaded():
    a = parameters(*SHAPES)
    b = copies(a)
    mine, other = optimizers.Adam(a), optimizers.Adam(b)
    run(a, mine, range(3))
    run(b, other, range(3))
    state = copy.deepcopy(mine.state_dict())
    for values in state["state"].values():
        values["step"] = int(values["step"])
    other.load_state_dict(state)
    run(a, mine, range(3, 6))
    run(b, other, range(3, 6))
    assert distance(a, b) == 0


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
@every_rule
def test_copies_and_pickles_step_on_by_themselves(rule, duplicate):
    a = parameters(*SHAPES)
    mine = rule.ours(a, **rule.options)
    run(a, mine, range(3))
    other = duplicate(mine)
    assert type(other) is type(mine)
    (group,) = other.param_groups
    assert group["params"][0] is not a[0]
    run(a, mine, range(3, 6))
    assert distance(a, group["params"]) > 0
    run(group["params"], other, range(3, 6))
    assert distance(a, group["params"]) == 0


@every_rule
def test_checkpoint_state_functions_of_torch_distributed(rule):
    def network():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()

    a, b = network(), network()
    first, second = (rule.ours(m.parameters(), **rule.options) for m in (a, b))
    run(list(a.parameters()), first, range(3))
    b.load_state_dict(a.state_dict())
    set_optimizer_state_dict(b, second, get_optimizer_state_dict(a, first))
    run(list(a.parameters()), first, range(3, 6))
    run(list(b.parameters()), second, range(3, 6))
    assert distance(a.parameters(), b.parameters()) == 0


@every_rule
def test_under_a_gradient_scaler(rule):
    a = parameters((4,), dtype=torch.float32)
    b = copies(a)
    mine, plain = rule.ours(a, **rule.options), rule.ours(b, **rule.options)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    x = torch.randn(4)
    scaler.scale((a[0] * x).sum()).backward()
    scaler.step(mine)
    scaler.update()
    (b[0] * x).sum().backward()
    plain.step()
    assert distance(a, b) < 1e-6

    before = a[0].detach().clone()
    mine.zero_grad()
    scaler.scale((a[0] * torch.inf).sum()).backward()
    scaler.step(mine)
    scaler.update()
    assert torch.equal(a[0], before), "an overflow skips the step"
    assert scaler.get_scale() == 32.0


@every_rule
def test_under_a_scheduler_of_torch(rule):
    a = parameters(*SHAPES)
    b = copies(a)
    pair = rule.pair(a, b)
    schedules = [torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=10, cycle_momentum=False) for o in pair]
    for step in range(9):
        give_gradients(a, b, step=step)
        for optimizer, schedule in zip(pair, schedules):
            optimizer.step()
            schedule.step()
    assert distance(a, b) < 1e-12
