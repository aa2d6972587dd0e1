"""Maximum likelihood by Newton's method: the loop, and the two likelihoods of logistic regression.

A step goes to the minimum of the parabola that touches the objective where it stands; if that is not lower by what the
slope promised, half as far, and so on. Near the solution every step doubles the number of right digits.

Legend: N samples, R coordinates (rotation.py), K = C scores or 1, φ (K, R+1) parameters, p penalties of ½ Σ p φ².
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.functional import cross_entropy, logistic_loss, sigmoid, softmax
from groundup.models.shallow_models.frame import Fit

TOLERANCE = 1e-5  # of the scores: a step that changes none of them by more is the last
HOPELESS = 1e-6  # a sample: what the objective may still fall by, where steps do not shrink


class Point(NamedTuple):
    """The objective at one φ."""

    value: float
    scores: Float[Tensor, "N K"]
    gradient: Float[Tensor, "K P"]
    solve: Callable[[Float[Tensor, "K P"]], Float[Tensor, "K P"]]  # g -> H⁻¹ g


def newton(at: Callable[[Tensor], Point], phi: Float[Tensor, "K P"], max_steps: int) -> tuple[Tensor, Fit]:
    """Minimise the convex objective `at` from `phi`; returns the minimum and how it was found.

    A likelihood without penalty has no maximum where the classes can be separated: it rises as the weights grow for
    ever (Albert and Anderson 1984). It shows in steps that do not shrink while nothing is left to gain; there it
    stops.
    """
    here, unshrunk = at(phi), 0
    history: list[float] = []
    for _ in range(checks.integer("max_steps", max_steps)):
        direction = -here.solve(here.gradient)
        slope = float((here.gradient * direction).sum())
        size = 1.0
        there = at(phi + direction)
        while not there.value <= here.value + 1e-4 * size * slope + 1e-13 * abs(here.value):
            size /= 2
            if size < 1e-10:  # nothing is lower, to rounding
                return phi, Fit(len(history), True, tuple(history))
            there = at(phi + size * direction)
        phi = phi + size * direction
        change = float((there.scores - here.scores).abs().max())
        here = there
        history.append(here.value)
        if change <= TOLERANCE:
            return phi, Fit(len(history), True, tuple(history))
        unshrunk = unshrunk + 1 if change > 0.5 and -slope < HOPELESS * len(here.scores) else 0
        if unshrunk == 3:
            note = (
                "the classes can be separated, so that the likelihood has no maximum and the weights would grow for "
                "ever; they are where it is as good as reached. A finite C gives a solution"
            )
            return phi, Fit(len(history), False, tuple(history), note)
    return phi, Fit(len(history), False, tuple(history), f"max_steps={max_steps} are used up; allow more")


def logistic(x: Float[Tensor, "N P"], y: Float[Tensor, " N"], p: Float[Tensor, " P"]) -> Callable[[Tensor], Point]:
    """Σ log(1 + exp(-y z)) + ½ Σ p φ², y in {-1, +1}, its Hessian solved exactly.

    gradient  -Σ y σ(-y z) x      Hessian  Xᵀ diag(σ(z) σ(-z)) X: iteratively reweighted least squares
    """

    def at(phi: Tensor) -> Point:
        z = x @ phi[0]
        slip = sigmoid(-y * z)  # the probability of the wrong label
        value = logistic_loss(z, y, "sum") + 0.5 * (p * phi**2).sum()
        gradient = p * phi - (y * slip) @ x

        def solve(g: Tensor) -> Tensor:
            hessian = (x * (slip * (1 - slip))[:, None]).mT @ x + p.diag()
            return positive_solver(hessian)(g.flatten()).view_as(g)

        return Point(float(value), z[:, None], gradient, solve)

    return at


def multinomial(x: Float[Tensor, "N P"], y: Int[Tensor, " N"], p: Float[Tensor, " P"]) -> Callable[[Tensor], Point]:
    """-Σ log π_y + ½ Σ p φ², π = softmax(z), its Hessian solved by conjugate gradients and never formed.

    gradient  Σ (π - 1_y) xᵀ      Hessian × V  Σ (diag(π) - π πᵀ) (V x) xᵀ

    One φ added to all classes changes no difference of scores: steps leave that out, and the classes' φ sum to zero.
    """

    def at(phi: Tensor) -> Point:
        z = x @ phi.mT
        pi = softmax(z, 1)
        excess = pi.scatter_add(1, y[:, None], -pi.new_ones(len(y), 1))
        value = cross_entropy(z, y, reduction="sum") + 0.5 * (p * phi**2).sum()

        def product(v: Tensor) -> Tensor:
            dz = pi * (x @ v.mT)
            return (dz - pi * dz.sum(1, keepdim=True)).mT @ x + p * v

        def solve(g: Tensor) -> Tensor:
            diagonal = (pi * (1 - pi)).mT @ x**2 + p
            step = conjugate_gradients(product, g, diagonal)
            return step - step.mean(0)

        return Point(float(value), z, excess.mT @ x + p * phi, solve)

    return at


def positive_solver(matrix: Float[Tensor, "n n"]) -> Callable[[Float[Tensor, " n"]], Float[Tensor, " n"]]:
    """b -> matrix⁻¹ b by Cholesky's factors, of a symmetric matrix scaled to a diagonal of ones (Jacobi)."""
    scale = matrix.diagonal().rsqrt()
    factor = torch.linalg.cholesky(scale[:, None] * matrix * scale)
    return lambda b: scale * torch.cholesky_solve((scale * b)[:, None], factor)[:, 0]


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], b: Float[Tensor, "K P"], diagonal: Float[Tensor, "K P"]
) -> Float[Tensor, "K P"]:
    """x with H x ≈ b, from products with H alone, preconditioned by H's diagonal. Hestenes and Stiefel 1952.

    As exact as it is worth far from the solution, ever more so near it: the residual falls to min(0.1, √‖b‖) of b
    (Dembo and Steihaug 1983, Truncated-Newton Algorithms).
    """
    x, r = torch.zeros_like(b), b
    z = r / diagonal
    d, rho = z, (r * z).sum()
    enough = rho * rho.sqrt().clamp(max=0.01)
    for _ in range(b.numel()):
        if rho <= enough:
            break
        h = product(d)
        step = rho / (d * h).sum()
        x, r = x + step * d, r - step * h
        z = r / diagonal
        rho, before = (r * z).sum(), rho
        d = z + rho / before * d
    return x
