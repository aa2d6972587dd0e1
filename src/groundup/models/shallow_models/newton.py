"""Maximum likelihood by Newton's method: the loop, and the two likelihoods of logistic regression.

A step goes to the minimum of the second-order approximation of the objective. If the objective there is not as low as
the slope predicts, the step is halved, and so on. Near the solution every step doubles the number of correct digits.

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

SCORE_TOLERANCE = 1e-5  # a step that changes no score by more is the last
MIN_GAIN_PER_SAMPLE = 1e-6  # of the objective: with less to gain and steps that do not shrink, there is no minimum


class Point(NamedTuple):
    """The objective at one φ."""

    value: float
    scores: Float[Tensor, "N K"]
    gradient: Float[Tensor, "K P"]
    solve: Callable[[Float[Tensor, "K P"]], Float[Tensor, "K P"]]  # g -> H⁻¹ g


def newton(at: Callable[[Tensor], Point], phi: Float[Tensor, "K P"], max_steps: int) -> tuple[Tensor, Fit]:
    """Minimise a convex objective from `phi`; return the minimum and the report.

    A likelihood without penalty has no maximum if the classes can be separated: it rises as the weights grow without
    bound (Albert and Anderson 1984). Then the steps do not shrink although almost nothing is left to gain, and the
    search stops.
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
            if size < 1e-10:  # no lower value within rounding errors
                return phi, Fit(len(history), True, tuple(history))
            there = at(phi + size * direction)
        phi = phi + size * direction
        change = float((there.scores - here.scores).abs().max())
        here = there
        history.append(here.value)
        if change <= SCORE_TOLERANCE:
            return phi, Fit(len(history), True, tuple(history))
        unshrunk = unshrunk + 1 if change > 0.5 and -slope < MIN_GAIN_PER_SAMPLE * len(here.scores) else 0
        if unshrunk == 3:
            note = (
                "the classes can be separated, so that the likelihood has no maximum and the weights would grow for "
                "ever; they are close enough to the limit. A finite C gives a solution"
            )
            return phi, Fit(len(history), False, tuple(history), note)
    return phi, Fit(len(history), False, tuple(history), f"max_steps={max_steps} were not enough; allow more")


def logistic(x: Float[Tensor, "N P"], y: Float[Tensor, " N"], p: Float[Tensor, " P"]) -> Callable[[Tensor], Point]:
    """Return the objective Σ log(1 + exp(-y z)) + ½ Σ p φ², y in {-1, +1}, whose Hessian is solved exactly.

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
    """Return the objective -Σ log π_y + ½ Σ p φ², π = softmax(z), whose Hessian is solved by conjugate gradients.

    gradient  Σ (π - 1_y) xᵀ      Hessian × V  Σ (diag(π) - π πᵀ) (V x) xᵀ

    The same φ added to all classes changes no difference of scores: steps leave it out, and φ sums to 0 over classes.
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
    """Return the function b -> matrix⁻¹ b, by the Cholesky factor of a matrix scaled to a diagonal of ones (Jacobi)."""
    scale = matrix.diagonal().rsqrt()
    factor = torch.linalg.cholesky(scale[:, None] * matrix * scale)
    return lambda b: scale * torch.cholesky_solve((scale * b)[:, None], factor)[:, 0]


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], b: Float[Tensor, "K P"], diagonal: Float[Tensor, "K P"]
) -> Float[Tensor, "K P"]:
    """Return x with H x ≈ b, from products with H only, preconditioned by its diagonal. Hestenes and Stiefel 1952.

    The residual falls to min(0.1, √‖b‖) of b: far from the solution an exact step is not worth its time (Dembo and
    Steihaug 1983, Truncated-Newton Algorithms).
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
