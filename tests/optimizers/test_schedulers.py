"""Every schedule against its oracle, step for step, to its end and past it; bounds, resumption, bad input."""

import copy
import math

import pytest
import torch
from optimizer_table import parameters
from torch.optim import lr_scheduler as theirs

from groundup.optimizers import (
    SGD,
    LR_CosineDecayScheduler,
    LR_PlateauScheduler,
    LR_Scheduler,
    LR_StepScheduler,
)


def optimizer(*rates):
    return SGD([{"params": [p], "lr": lr} for p, lr in zip(parameters(*[(1,)] * len(rates)), rates)], lr=0.0)


def trajectory(schedule, steps, *arguments):
    """The learning rates of the first group before the first step and after each."""
    rates = [schedule.optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        schedule.optimizer.step()
        schedule.step(*arguments)
        rates.append(schedule.optimizer.param_groups[0]["lr"])
    return rates


def largest_difference(a, b):
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b))


def close(a, b, tolerance=1e-12):
    return largest_difference(a, b) <= tolerance


@pytest.mark.parametrize("min_lr", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("decay", [0.99, 0.5, 1.0])
def test_exponential(decay, min_lr, measured):
    mine = trajectory(LR_Scheduler(optimizer(0.1), decay, min_lr), 60)
    other = trajectory(theirs.ExponentialLR(optimizer(0.1), decay), 60)
    error = largest_difference(mine, [max(lr, min_lr) for lr in other])
    assert error <= 1e-12
    measured("LR_Scheduler", torch.float64, {"outputs": error})


@pytest.mark.parametrize("min_lr", [0.0, 0.003])
@pytest.mark.parametrize(("step_size", "decay"), [(1, 0.5), (7, 0.1), (30, 0.9)])
def test_steps(step_size, decay, min_lr, measured):
    mine = trajectory(LR_StepScheduler(optimizer(0.1), step_size, decay, min_lr), 60)
    other = trajectory(theirs.StepLR(optimizer(0.1), step_size, decay), 60)
    error = largest_difference(mine, [max(lr, min_lr) for lr in other])
    assert error <= 1e-12
    measured("LR_StepScheduler", torch.float64, {"outputs": error})


def cosine(t, base, warmup, decay, min_lr):
    """As transformers' `get_cosine_with_min_lr_schedule_with_warmup` has it: a factor on the base rate."""
    if t < warmup:
        return base * t / max(1, warmup)
    progress = (t - warmup) / max(1, decay)
    least = min_lr / base
    return base * max(0.0, 0.5 * (1 + math.cos(math.pi * progress)) * (1 - least) + least)


@pytest.mark.parametrize("min_lr", [0.0, 1e-3])
@pytest.mark.parametrize(("warmup", "decay"), [(0, 10), (1, 1), (5, 20), (10, 3)])
def test_cosine_with_warmup(warmup, decay, min_lr):
    mine = trajectory(LR_CosineDecayScheduler(optimizer(0.1), warmup, decay, min_lr), warmup + decay)
    expected = [cosine(t, 0.1, warmup, decay, min_lr) for t in range(warmup + decay + 1)]
    assert close(mine, [max(lr, min_lr) for lr in expected])
    assert mine[warmup] == 0.1
    assert mine[warmup + decay] == pytest.approx(min_lr, abs=1e-17)


def test_cosine_equals_torchs_ramp_and_annealing(measured):
    other = optimizer(0.1)
    parts = [theirs.LinearLR(other, 1e-15, 1.0, 5), theirs.CosineAnnealingLR(other, 20, 0.0)]
    sequence = theirs.SequentialLR(other, parts, [5])
    expected = trajectory(sequence, 25)
    error = largest_difference(trajectory(LR_CosineDecayScheduler(optimizer(0.1), 5, 20), 25), expected)
    assert error <= 1e-12  # LinearLR's ramp may not begin at 0
    measured("LR_CosineDecayScheduler", torch.float64, {"outputs": error})


def test_cosine_stays_at_the_bottom_past_its_end():
    rates = trajectory(LR_CosineDecayScheduler(optimizer(0.1), 2, 8, 0.01), 40)
    assert rates[10:] == [0.01] * 31


@pytest.mark.parametrize("warmup", [0, 1, 8])
def test_the_ramp_never_falls_and_never_is_below_the_bound(warmup):
    rates = trajectory(LR_CosineDecayScheduler(optimizer(1e-3), warmup, 10, 1e-4), warmup)
    assert rates == sorted(rates)
    assert min(rates) >= 1e-4
    assert rates[-1] == 1e-3


@pytest.mark.parametrize(
    "make",
    [
        lambda o: LR_Scheduler(o, 0.9, 1e-5),
        lambda o: LR_StepScheduler(o, 2, 0.5, 1e-5),
        lambda o: LR_CosineDecayScheduler(o, 0, 10, 1e-5),
        lambda o: LR_PlateauScheduler(o, 0, 0.5, 1e-5),
    ],
)
def test_the_bound_never_raises_a_learning_rate(make):
    schedule = make(optimizer(1e-6, 1e-2))
    arguments = (1.0,) if isinstance(schedule, LR_PlateauScheduler) else ()
    assert trajectory(schedule, 20, *arguments) == [1e-6] * 21
    assert schedule.optimizer.param_groups[1]["lr"] <= 1e-2


def test_every_schedule_is_an_lr_scheduler_of_torch():
    for made in (LR_StepScheduler, LR_CosineDecayScheduler, LR_PlateauScheduler):
        assert issubclass(made, LR_Scheduler)
    assert issubclass(LR_Scheduler, theirs.LRScheduler)


def test_groups_keep_their_own_base():
    schedule = LR_StepScheduler(optimizer(1.0, 0.1), 1, 0.5)
    schedule.optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 0.05]


# --- plateau --------------------------------------------------------------------------------------------------------


def metrics(kind):
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(80, generator=generator, dtype=torch.float64)
    return {
        "flat": [1.0] * 80,
        "falling": [1.0 / (k + 1) for k in range(80)],
        "noisy": (2 + noise).tolist(),
        "negative": (-2 + noise).tolist(),
        "hardly better": [1.0 - 0.00005 * k for k in range(80)],
        "nan": [1.0, 0.5] + [math.nan] * 78,
    }[kind]


@pytest.mark.parametrize("kind", ["flat", "falling", "noisy", "negative", "hardly better", "nan"])
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("patience", [0, 3])
def test_plateau_equals_reduce_lr_on_plateau(kind, mode, threshold_mode, patience, measured):
    a, b = optimizer(0.1, 0.02), optimizer(0.1, 0.02)
    mine = LR_PlateauScheduler(a, patience, 0.5, 1e-3, 1e-2, threshold_mode, mode=mode)
    other = theirs.ReduceLROnPlateau(
        b, mode, patience=patience, factor=0.5, min_lr=1e-3, threshold=1e-2, threshold_mode=threshold_mode
    )
    for metric in metrics(kind):
        mine.step(torch.tensor(metric, dtype=torch.float64))
        other.step(metric)
        assert mine.get_last_lr() == other.get_last_lr() == [group["lr"] for group in a.param_groups]
        assert mine.num_bad_epochs == other.num_bad_epochs
    measured("LR_PlateauScheduler", torch.float64, {"outputs": 0.0})


@pytest.mark.parametrize("gain", [0.5e-4, 0.9e-4, 1.1e-4, 2e-4])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_as_it_is_without_arguments(gain, mode):
    """The default threshold, 1e-4 of the best, and the default patience and decay are PyTorch's."""
    a, b = optimizer(0.1), optimizer(0.1)
    mine, other = LR_PlateauScheduler(a, mode=mode), theirs.ReduceLROnPlateau(b, mode)
    rates = []
    for metric in [1.0] + [1 - gain if mode == "min" else 1 + gain] * 20:
        mine.step(metric)
        other.step(metric)
        assert mine.get_last_lr() == other.get_last_lr()
        rates.append(a.param_groups[0]["lr"])
    assert rates.index(pytest.approx(0.01)) == (11 if gain < 1e-4 else 12)


def test_plateau_starts_counting_anew_after_a_cut():
    schedule = LR_PlateauScheduler(optimizer(1.0), patience=2, decay=0.5)
    assert trajectory(schedule, 7, 3.0) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_plateau_without_a_metric_says_so(untyped):
    schedule = LR_PlateauScheduler(optimizer(1.0))
    with pytest.raises(TypeError, match=r"metric is missing.*step\(metric\)"):
        schedule.step()


def test_plateau_exchanges_its_state_with_torch():
    a, b = optimizer(0.1), optimizer(0.1)
    mine, other = LR_PlateauScheduler(a, 2, 0.5), theirs.ReduceLROnPlateau(b, patience=2, factor=0.5)
    for _ in range(3):
        mine.step(1.0)
        other.step(1.0)
    a2, b2 = optimizer(0.1), optimizer(0.1)
    mine2, other2 = LR_PlateauScheduler(a2, 2, 0.5), theirs.ReduceLROnPlateau(b2, patience=2, factor=0.5)
    mine2.load_state_dict(other.state_dict())
    other2.load_state_dict(mine.state_dict())
    for _ in range(7):
        for schedule in (mine, other, mine2, other2):
            schedule.step(1.0)
        assert mine.get_last_lr() == other.get_last_lr() == mine2.get_last_lr() == other2.get_last_lr()


# --- state ----------------------------------------------------------------------------------------------------------

MAKERS = {
    "exponential": lambda o: LR_Scheduler(o, 0.9, 0.01),
    "step": lambda o: LR_StepScheduler(o, 3, 0.5),
    "cosine": lambda o: LR_CosineDecayScheduler(o, 4, 10, 0.01),
    "plateau": lambda o: LR_PlateauScheduler(o, 1, 0.5),
}


@pytest.mark.parametrize("scheduler_first", [True, False])
@pytest.mark.parametrize("kind", MAKERS)
def test_a_resumed_schedule_equals_the_uncut_one_to_the_bit(kind, scheduler_first):
    arguments = (1.0,) if kind == "plateau" else ()
    whole = MAKERS[kind](optimizer(0.1))
    head = trajectory(whole, 7, *arguments)
    saved = copy.deepcopy((whole.optimizer.state_dict(), whole.state_dict()))
    tail = trajectory(whole, 10, *arguments)

    again = optimizer(0.1)
    if scheduler_first:
        resumed = MAKERS[kind](again)
        again.load_state_dict(saved[0])
    else:  # making a scheduler sets its first learning rate: loading must set the right one again
        again.load_state_dict(saved[0])
        resumed = MAKERS[kind](again)
    resumed.load_state_dict(saved[1])
    assert again.param_groups[0]["lr"] == head[-1]
    assert trajectory(resumed, 10, *arguments) == tail


@pytest.mark.parametrize("kind", MAKERS)
def test_loading_copies(kind):
    first, second = MAKERS[kind](optimizer(0.1)), MAKERS[kind](optimizer(0.1))
    state = first.state_dict()
    kept = copy.deepcopy(state)
    second.load_state_dict(state)
    trajectory(second, 3, *((1.0,) if kind == "plateau" else ()))
    second.base_lrs[:] = [7.0] if kind != "plateau" else second.base_lrs
    assert state == kept == first.state_dict()


def test_the_position_is_exchanged_with_torch():
    a, b = LR_StepScheduler(optimizer(0.1), 3, 0.5), theirs.StepLR(optimizer(0.1), 3, 0.5)
    trajectory(a, 4)
    trajectory(b, 4)
    a2, b2 = LR_StepScheduler(optimizer(0.1), 3, 0.5), theirs.StepLR(optimizer(0.1), 3, 0.5)
    a2.load_state_dict(b.state_dict())
    b2.load_state_dict({**a.state_dict()})
    b2.optimizer.param_groups[0]["lr"] = a.get_last_lr()[0]  # torch leaves that to the optimizer's own state
    assert close(trajectory(a, 10), trajectory(a2, 10))
    assert close(trajectory(b, 10), trajectory(b2, 10))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: LR_Scheduler(o, decay=-0.1), ValueError, "decay must be"),
        (lambda o: LR_Scheduler(o, decay=1.1), ValueError, "decay must be"),
        (lambda o: LR_Scheduler(o, min_lr=-1.0), ValueError, "min_lr must be"),
        (lambda o: LR_Scheduler("sgd"), TypeError, "not an Optimizer"),
        (lambda o: LR_StepScheduler(o, 0), ValueError, "step_size must be"),
        (lambda o: LR_StepScheduler(o, 2.5), TypeError, "step_size must be"),
        (lambda o: LR_CosineDecayScheduler(o, -1, 10), ValueError, "warmup_steps must be"),
        (lambda o: LR_CosineDecayScheduler(o, 1, 0), ValueError, "decay_steps must be"),
        (lambda o: LR_PlateauScheduler(o, patience=-1), ValueError, "patience must be"),
        (lambda o: LR_PlateauScheduler(o, threshold=-1.0), ValueError, "threshold must be"),
        (lambda o: LR_PlateauScheduler(o, threshold_mode="relative"), ValueError, "threshold_mode must be"),
        (lambda o: LR_PlateauScheduler(o, mode="least"), ValueError, "mode must be"),
    ],
)
def test_bad_arguments_are_named(make, error, message, untyped):
    with pytest.raises(error, match=message):
        make(optimizer(0.1))


def test_a_group_added_after_the_scheduler_is_an_error_that_says_so():
    schedule = LR_Scheduler(optimizer(0.1))
    schedule.optimizer.add_param_group({"params": parameters((2,)), "lr": 0.1})
    schedule.optimizer.step()
    with pytest.raises(ValueError, match="2 parameter groups, and had 1"):
        schedule.step()
