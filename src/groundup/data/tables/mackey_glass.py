"""The Mackey-Glass series: a chaotic benchmark that is computed from an equation.

Mackey and Glass 1977, Oscillation and Chaos in Physiological Control Systems, Science 197, pages 287-289.
"""

from __future__ import annotations

import random

import torch
from jaxtyping import Float64
from torch import Tensor

from groundup import checks


def mackey_glass(
    length: int,
    tau: float = 17.0,
    *,
    beta: float = 0.2,
    gamma: float = 0.1,
    power: float = 10.0,
    step: float = 0.1,
    washout: int = 1000,
    seed: int | None = 0,
) -> Float64[Tensor, " length"]:
    """Return x(0), x(1), x(2), ... of dx/dt = β x(t - τ) / (1 + x(t - τ)^power) - γ x(t).

    Args:
        length: number of values.
        tau: delay τ; the series is chaotic for τ = 17.
        beta, gamma, power: coefficients of the equation.
        step: step of the classical Runge-Kutta method; it must divide 1 and τ. Between two steps the past is the cubic
            through their values and slopes.
        washout: number of first values that are discarded.
        seed: determines the constant value before t = 0, near 1.2; None for exactly 1.2.

    Example:
        >>> mackey_glass(3, seed=None).shape
        torch.Size([3])
    """
    checks.integer("length", length)
    checks.integer("washout", washout, 0)
    checks.real("tau", tau, 0.0)
    per_unit, delay = round(1 / checks.real("step", step, 1e-6, 1.0)), round(tau / step)
    for name, value, count in (("1", 1.0, per_unit), ("tau", tau, delay)):
        checks.require(abs(count * step - value) < 1e-9, f"step must divide {name} = {value}, got {step}")
    checks.require(delay >= 1, f"tau must be at least one step of {step}, got {tau}")

    def slope(now: float, past: float) -> float:
        return beta * past / (1 + past**power) - gamma * now

    start = 1.2 if seed is None else 1.2 + random.Random(seed).uniform(-0.1, 0.1)
    x, left, right = [start] * (delay + 1), [0.0] * (delay + 1), [0.0] * (delay + 1)  # slopes on either side: x(0) is
    right[delay] = slope(start, start)  # a corner
    for i in range((washout + length - 1) * per_unit):
        between = (x[i] + x[i + 1]) / 2 + step / 8 * (right[i] - left[i + 1])
        k1 = right[-1]
        k2 = slope(x[-1] + step / 2 * k1, between)
        k3 = slope(x[-1] + step / 2 * k2, between)
        k4 = slope(x[-1] + step * k3, x[i + 1])
        x.append(x[-1] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
        left.append(slope(x[-1], x[i + 1]))
        right.append(left[-1])
    return torch.tensor(x[delay + washout * per_unit :: per_unit], dtype=torch.float64)
