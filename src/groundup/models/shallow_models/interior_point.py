"""An interior point method for support vector machines, which solves the primal and the dual problem together.

Each hinge is a maximum over a group of classes that contains the right class y, max_g (z_g + [g≠y]) - z_y:

    Crammer-Singer    one group per sample, all classes
    Weston-Watkins    C - 1 groups per sample, {y, c} for each other class c
    two classes       either

With an upper bound v for each group, it is a quadratic programme:

    minimise    ½ Σ p φ² + Σ (v - z_y)              so that    t_g = v - z_g - [g≠y] ≥ 0
    dual        α_g ≥ 0, Σ_g α_g = 1 in each group             pφ = Σ (1_y - α) xᵀ
    solution    both, and α_g t_g = 0

α plays the role of the softmax probabilities in logistic regression: the gradient is Σ (α - 1_y) xᵀ, and the curvature
diag(π) - π πᵀ, where π = d / Σ d and d = α / t. But α is exactly 0 for classes outside the margin: a sample whose α is
1 for y and 0 for all others is not a support vector.

Why interior: the condition α t = 0 says which samples are support vectors, a combinatorial question. The method
replaces it by α t = μ and lets μ fall to 0, with Newton steps that keep α > 0 and t > 0. It needs 20 to 40 of them for
data of any scale. The sum of α t is the gap between primal and dual, which bounds the distance to the best objective.

Mehrotra 1992, On the Implementation of a Primal-Dual Interior Point Method; Ferris and Munson 2002, Interior-Point
Methods for Massive Support Vector Machines.

Legend: N samples, R coordinates (rotation.py), C classes, M groups per sample, G classes per group, φ (C, R+1).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.models.shallow_models.frame import Fit
from groundup.models.shallow_models.newton import positive_solver

KINDS = ("crammer_singer", "weston_watkins")
MAX_GAP = 1e-9  # of the objective
MAX_RESIDUAL = 1e-6  # of p φ - Σ (1_y - α) xᵀ, relative to p φ
MAX_MATRIX_ROWS = 16_384  # of a Newton step, 2 GiB
CHUNK_SAMPLES = 256

Move = tuple[Tensor, Tensor, Tensor]  # dφ, dα, dt


def interior_point(
    x: Float[Tensor, "N P"],
    y: Int[Tensor, " N"],
    num_classes: int,
    kind: str,
    p: Float[Tensor, " P"],
    max_steps: int,
) -> tuple[Float[Tensor, "C P"], Fit]:
    """Minimise Σ hinges + ½ Σ p φ²; return φ and the report. Raises `ValueError` for problems that are too large."""
    hinges = Hinges(x, y, num_classes, kind, p)
    phi = x.new_zeros(num_classes, x.size(1))
    alpha = torch.full_like(hinges.lift, 1 / hinges.lift.size(2))
    t = 5 - hinges.lift  # an upper bound well above all scores
    history: list[float] = []
    for step in range(checks.integer("max_steps", max_steps) + 1):
        residual = p * phi + hinges.adjoint(alpha) - hinges.target
        gap = float((alpha * t).sum())
        history.append(float(0.5 * (p * phi**2).sum() + ((1 - hinges.lift) * t).sum()))  # t_y = v - z_y
        if gap <= MAX_GAP * history[-1] and float(residual.abs().max()) <= MAX_RESIDUAL * float((p * phi).abs().max()):
            return phi, Fit(step, True, tuple(history))
        try:
            move = hinges.newton(alpha, t, residual)
        except torch.linalg.LinAlgError:
            note = f"rounding errors stopped it at a gap of {gap:.1e} to the best objective, {history[-1]:.6g}"
            return phi, Fit(step, False, tuple(history), note)

        # Predictor: a step to μ = 0. The part of the gap that it would leave decides the μ of the corrector.
        _, dalpha, dt = move(-alpha * t)
        size = room(alpha, dalpha, t, dt)
        mu, ahead = gap / alpha.numel(), float(((alpha + size * dalpha) * (t + size * dt)).mean())
        dphi, dalpha, dt = move((ahead / mu) ** 3 * mu - alpha * t - dalpha * dt)
        size = min(1.0, 0.995 * room(alpha, dalpha, t, dt))
        phi, alpha, t = phi + size * dphi, alpha + size * dalpha, t + size * dt
    return phi, Fit(max_steps, False, tuple(history), f"max_steps={max_steps} were not enough; allow more")


def room(alpha: Tensor, dalpha: Tensor, t: Tensor, dt: Tensor) -> float:
    """Return the largest fraction of a step, at most 1, that keeps α and t at 0 or above."""
    return 1 / max(1.0, -float((dalpha / alpha).min()), -float((dt / t).min()))


class Hinges:
    """The fixed parts of the programme, and its Newton step.

    lift     (N, M, G) [g≠y]        target   (C, R+1) Σ 1_y xᵀ, once per group of a sample
    """

    def __init__(self, x: Tensor, y: Tensor, num_classes: int, kind: str, p: Tensor) -> None:
        rows = (num_classes - 1) * x.size(1)
        checks.require(
            rows <= MAX_MATRIX_ROWS,
            f"fit solves for all {rows:,} weights at once, which is possible for {MAX_MATRIX_ROWS:,} at most: train by "
            "gradients instead, with groundup.training.Trainer and the model's loss",
        )
        self.x, self.p, self.num_classes = x, p, num_classes
        classes = torch.arange(num_classes, device=x.device)
        if kind == "crammer_singer":
            members = classes.expand(len(y), 1, num_classes)
        else:
            others = classes[:-1] + (classes[:-1] >= y[:, None])
            members = torch.stack([y[:, None].expand_as(others), others], -1)
        self.shape, self.place = members.shape, members.flatten(1)
        self.pair_place = (members[..., :, None] * num_classes + members[..., None, :]).flatten(1)
        self.lift = (members != y[:, None, None]).to(x.dtype)
        self.target = self.adjoint(1 - self.lift)
        # The same φ added to all classes changes no hinge: φ = Q ψ, the columns of Q perpendicular to (1, …, 1).
        axes = torch.eye(num_classes, dtype=x.dtype, device=x.device)
        axes[:, 0] = 1
        self.q = torch.linalg.qr(axes)[0][:, 1:]

    def scores(self, phi: Float[Tensor, "C P"]) -> Float[Tensor, "N M G"]:
        """Return z of every class of every group."""
        return (self.x @ phi.mT).gather(1, self.place).view(self.shape)

    def adjoint(self, values: Float[Tensor, "N M G"]) -> Float[Tensor, "C P"]:
        """Return Σ values xᵀ, each in the row of its class."""
        by_class = self.x.new_zeros(len(self.x), self.num_classes)
        return by_class.scatter_add(1, self.place, values.flatten(1)).mT @ self.x

    def newton(
        self, alpha: Float[Tensor, "N M G"], t: Float[Tensor, "N M G"], residual: Float[Tensor, "C P"]
    ) -> Callable[[Tensor], Move]:
        """Return a function change -> step that, to first order, changes α t by `change` and removes the residual.

        α dt + t dα = change, dt = dv - dz, Σ dα = 0 give dα = e - κ (diag(π) - π πᵀ) dz, where κ = Σ d. Inserted
        into p dφ + Σ dα xᵀ = -residual, it gives a system for dφ only.
        """
        d = alpha / t
        kappa = d.sum(-1, keepdim=True)
        pi = d / kappa
        solve = positive_solver(self.curvature(kappa, pi))
        largest = alpha.argmax(-1, keepdim=True)  # it bears the rounding, so that Σ α stays 1

        def move(change: Tensor) -> Move:
            e = change / t
            total = e.sum(-1, keepdim=True)
            psi = solve((self.q.mT @ (residual + self.adjoint(e - pi * total))).flatten())
            dphi = -self.q @ psi.view(self.num_classes - 1, -1)
            dz = self.scores(dphi)
            dt = (total + (d * dz).sum(-1, keepdim=True)) / kappa - dz
            dalpha = (change - alpha * dt) / t
            return dphi, dalpha.scatter_add(-1, largest, -dalpha.sum(-1, keepdim=True)), dt

        return move

    def curvature(self, kappa: Float[Tensor, "N M 1"], pi: Float[Tensor, "N M G"]) -> Float[Tensor, "rows rows"]:
        """Return Σ κ (diag(π) - π πᵀ) ⊗ x xᵀ + diag(p), in the coordinates ψ.

        As diag(π) - π πᵀ = Σ_{a<b} π_a π_b (1_a - 1_b)(1_a - 1_b)ᵀ, it is a sum over pairs of classes, without
        subtractions, which would lose all digits: κ ranges from 10⁻¹⁰ to 10¹⁰.
        """
        classes, rank = self.num_classes, self.x.size(1)
        pairs = list(combinations(range(classes), 2))
        pairwise = ((kappa * pi)[..., :, None] * pi[..., None, :]).flatten(1)
        weights = self.x.new_zeros(len(self.x), classes**2).scatter_add(1, self.pair_place, pairwise)
        weights = weights[:, [a * classes + b for a, b in pairs]]
        blocks = self.x.new_zeros(rank, len(pairs) * rank)
        for x, w in zip(self.x.split(CHUNK_SAMPLES), weights.split(CHUNK_SAMPLES)):  # which fit the cache
            blocks += x.mT @ (w[:, :, None] * x[:, None, :]).flatten(1)
        blocks = blocks.view(rank, len(pairs), rank).transpose(0, 1).reshape(len(pairs), -1)
        between = torch.stack([self.q[a] - self.q[b] for a, b in pairs])
        outer = (between[:, :, None] * between[:, None, :]).flatten(1)
        matrix = (outer.mT @ blocks).view(classes - 1, classes - 1, rank, rank).transpose(1, 2)
        matrix = matrix.reshape((classes - 1) * rank, -1)
        matrix.diagonal().add_(self.p.repeat(classes - 1))
        return matrix
