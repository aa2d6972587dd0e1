"""Support vector machines by an interior point method, primal and dual at once.

Each hinge is a maximum over a group of classes, max_g (z_g + [g≠y]) - z_y, that has the right class y among them:

    Crammer-Singer    one group a sample, all classes
    Weston-Watkins    C - 1 groups a sample, {y, c} for each other class c
    two classes       either

With a ceiling v over each group, it is a quadratic programme:

    minimise    ½ Σ p φ² + Σ (v - z_y)              so that    t_g = v - z_g - [g≠y] ≥ 0
    dual        α_g ≥ 0, Σ_g α_g = 1 in each group             pφ = Σ (1_y - α) xᵀ
    solution    both, and α_g t_g = 0

α is to this machine what the softmax's probabilities are to logistic regression: the same gradient, Σ (α - 1_y) xᵀ, and
the same curvature, diag(π) - π πᵀ, where π = d / Σ d and d = α / t. But α is exactly 0 for a class that does not come
near: a sample all of whose α lies on y is no support vector.

The method asks for α t = μ instead of 0 and lets μ fall, by Newton steps that stay inside α > 0, t > 0: some 20 to 40
of them, whatever the scales of the data. The sum of α t is the gap between primal and dual, and so bounds how far the
objective is from the best one.

Mehrotra 1992, On the Implementation of a Primal-Dual Interior Point Method; Ferris and Munson 2002, Interior-Point
Methods for Massive Support Vector Machines.

Legend: N samples, R coordinates (rotation.py), C classes, M groups a sample, G classes a group, φ (C, R+1).
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
GAP = 1e-9  # of the objective: a smaller gap is none
UNBALANCE = 1e-6  # of p φ: a smaller difference from Σ (1_y - α) xᵀ is none
LARGEST = 16_384  # rows of the matrix of a Newton step, 2 GiB
CHUNK = 256  # samples

Move = tuple[Tensor, Tensor, Tensor]  # dφ, dα, dt


def interior_point(
    x: Float[Tensor, "N P"],
    y: Int[Tensor, " N"],
    num_classes: int,
    kind: str,
    p: Float[Tensor, " P"],
    max_steps: int,
) -> tuple[Float[Tensor, "C P"], Fit]:
    """Minimise Σ hinges + ½ Σ p φ²; returns φ and how it was found. Raises `ValueError` for what is too large."""
    hinges = Hinges(x, y, num_classes, kind, p)
    phi = x.new_zeros(num_classes, x.size(1))
    alpha = torch.full_like(hinges.lift, 1 / hinges.lift.size(2))
    t = 5 - hinges.lift  # a ceiling well above all scores
    history: list[float] = []
    for step in range(checks.integer("max_steps", max_steps) + 1):
        unbalance = p * phi + hinges.adjoint(alpha) - hinges.target
        gap = float((alpha * t).sum())
        history.append(float(0.5 * (p * phi**2).sum() + ((1 - hinges.lift) * t).sum()))  # t_y = v - z_y
        if gap <= GAP * history[-1] and float(unbalance.abs().max()) <= UNBALANCE * float((p * phi).abs().max()):
            return phi, Fit(step, True, tuple(history))
        try:
            move = hinges.newton(alpha, t, unbalance)
        except torch.linalg.LinAlgError:
            note = f"rounding ended it at a gap of {gap:.1e} to the best objective, {history[-1]:.6g}"
            return phi, Fit(step, False, tuple(history), note)

        # Straight for the solution: what that would leave of the gap tells how much of μ to aim at.
        _, dalpha, dt = move(-alpha * t)
        size = room(alpha, dalpha, t, dt)
        mu, ahead = gap / alpha.numel(), float(((alpha + size * dalpha) * (t + size * dt)).mean())
        dphi, dalpha, dt = move((ahead / mu) ** 3 * mu - alpha * t - dalpha * dt)
        size = min(1.0, 0.995 * room(alpha, dalpha, t, dt))
        phi, alpha, t = phi + size * dphi, alpha + size * dalpha, t + size * dt
    return phi, Fit(max_steps, False, tuple(history), f"max_steps={max_steps} are used up; allow more")


def room(alpha: Tensor, dalpha: Tensor, t: Tensor, dt: Tensor) -> float:
    """How much of a step, at most all of it, keeps α and t from falling below 0."""
    return 1 / max(1.0, -float((dalpha / alpha).min()), -float((dt / t).min()))


class Hinges:
    """The programme's fixed parts, and its Newton step.

    lift     (N, M, G) [g≠y]        target   (C, R+1) Σ 1_y xᵀ, as often as a sample has groups
    """

    def __init__(self, x: Tensor, y: Tensor, num_classes: int, kind: str, p: Tensor) -> None:
        rows = (num_classes - 1) * x.size(1)
        checks.require(
            rows <= LARGEST,
            f"fit solves for all {rows:,} weights at once, which is meant for {LARGEST:,} at most: train by gradients "
            "instead, with groundup.training.Trainer and the model's loss",
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
        # One φ added to all classes changes no hinge: φ = Q ψ, Q's columns orthonormal and perpendicular to (1, …, 1).
        axes = torch.eye(num_classes, dtype=x.dtype, device=x.device)
        axes[:, 0] = 1
        self.q = torch.linalg.qr(axes)[0][:, 1:]

    def scores(self, phi: Float[Tensor, "C P"]) -> Float[Tensor, "N M G"]:
        """z of every class of every group."""
        return (self.x @ phi.mT).gather(1, self.place).view(self.shape)

    def adjoint(self, values: Float[Tensor, "N M G"]) -> Float[Tensor, "C P"]:
        """Σ values xᵀ, each in its class's row."""
        by_class = self.x.new_zeros(len(self.x), self.num_classes)
        return by_class.scatter_add(1, self.place, values.flatten(1)).mT @ self.x

    def newton(
        self, alpha: Float[Tensor, "N M G"], t: Float[Tensor, "N M G"], unbalance: Float[Tensor, "C P"]
    ) -> Callable[[Tensor], Move]:
        """change -> the step that, to first order, changes α t by `change` and takes away the unbalance.

        α dt + t dα = change, dt = dv - dz, Σ dα = 0 give dα = e - κ (diag(π) - π πᵀ) dz, wherein κ = Σ d; and that
        into p dφ + Σ dα xᵀ = -unbalance gives a system for dφ alone.
        """
        d = alpha / t
        kappa = d.sum(-1, keepdim=True)
        pi = d / kappa
        solve = positive_solver(self.curvature(kappa, pi))
        largest = alpha.argmax(-1, keepdim=True)  # it bears the rounding, so that Σ α stays 1

        def move(change: Tensor) -> Move:
            e = change / t
            total = e.sum(-1, keepdim=True)
            psi = solve((self.q.mT @ (unbalance + self.adjoint(e - pi * total))).flatten())
            dphi = -self.q @ psi.view(self.num_classes - 1, -1)
            dz = self.scores(dphi)
            dt = (total + (d * dz).sum(-1, keepdim=True)) / kappa - dz
            dalpha = (change - alpha * dt) / t
            return dphi, dalpha.scatter_add(-1, largest, -dalpha.sum(-1, keepdim=True)), dt

        return move

    def curvature(self, kappa: Float[Tensor, "N M 1"], pi: Float[Tensor, "N M G"]) -> Float[Tensor, "rows rows"]:
        """Σ κ (diag(π) - π πᵀ) ⊗ x xᵀ + diag(p), in ψ's coordinates.

        As diag(π) - π πᵀ = Σ_{a<b} π_a π_b (1_a - 1_b)(1_a - 1_b)ᵀ, it is a sum over pairs of classes, in which nothing
        is subtracted: κ reaches from 10⁻¹⁰ to 10¹⁰.
        """
        classes, rank = self.num_classes, self.x.size(1)
        pairs = list(combinations(range(classes), 2))
        pairwise = ((kappa * pi)[..., :, None] * pi[..., None, :]).flatten(1)
        weights = self.x.new_zeros(len(self.x), classes**2).scatter_add(1, self.pair_place, pairwise)
        weights = weights[:, [a * classes + b for a, b in pairs]]
        blocks = self.x.new_zeros(rank, len(pairs) * rank)
        for x, w in zip(self.x.split(CHUNK), weights.split(CHUNK)):  # little enough for a processor's cache
            blocks += x.mT @ (w[:, :, None] * x[:, None, :]).flatten(1)
        blocks = blocks.view(rank, len(pairs), rank).transpose(0, 1).reshape(len(pairs), -1)
        between = torch.stack([self.q[a] - self.q[b] for a, b in pairs])
        outer = (between[:, :, None] * between[:, None, :]).flatten(1)
        matrix = (outer.mT @ blocks).view(classes - 1, classes - 1, rank, rank).transpose(1, 2)
        matrix = matrix.reshape((classes - 1) * rank, -1)
        matrix.diagonal().add_(self.p.repeat(classes - 1))
        return matrix
