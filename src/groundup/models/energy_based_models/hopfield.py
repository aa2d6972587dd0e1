"""Hopfield networks. Hopfield 1982, Neural Networks and Physical Systems with Emergent Collective Computational
Abilities.

    W = Σ ξ ξᵀ / N, diagonal 0     what is stored            E(s) = -½ sᵀ W s      memories are its low places
    h = W s                        the field on each unit    s_i ← sign(h_i)       one by one: never uphill

Legend: N units, P patterns ξ, s a state of ±1.
Differs from the paper: units are ±1, not 1 and 0, as in Amit, Gutfreund and Sompolinsky 1985.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import linear


class Recall(NamedTuple):
    """What `recall` found."""

    state: Float[Tensor, "*batch N"]
    converged: Bool[Tensor, "*batch"]  # which are fixed points: the last sweep changed nothing
    sweeps: int  # how many were made
    energy: Float[Tensor, "sweeps *batch"] | None  # at the start and after each sweep, if traced


@component(
    65,
    "stores patterns as minima of an energy",
    paper=(
        "Hopfield 1982, Neural Networks and Physical Systems with Emergent Collective Computational Abilities, "
        "doi:10.1073/pnas.79.8.2554"
    ),
    oracle="a loop over pairs; dynamics in whole numbers",
    example="HopfieldNetwork(100)(torch.randn(1, 100).sign())",
)
class HopfieldNetwork(nn.Module):
    """Patterns of ±1 as the low places of E(s) = -½ sᵀ W s; called with states, it gives their energies.

        network = HopfieldNetwork(100).fit(patterns)      # Hebb's rule: W = Σ ξ ξᵀ / N, a buffer `weight` (N, N)
        network.recall(noisy).state

    -ξ is stored with ξ, for E(-s) = E(s). Up to 0.138 N random patterns are recalled with few errors, beyond that
    none (Amit, Gutfreund and Sompolinsky 1985, https://doi.org/10.1103/PhysRevLett.55.1530).
    """

    weight: Tensor

    def __init__(
        self, num_units: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.num_units = checks.integer("num_units", num_units)
        self.register_buffer("weight", torch.empty(num_units, num_units, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.weight.zero_()

    @torch.no_grad()
    def fit(self, patterns: Float[Tensor, "P N"]) -> HopfieldNetwork:
        """Store `patterns` instead of what was stored before. Raises `ValueError` for values other than ±1."""
        checks.rank("patterns", checks.floating("patterns", patterns), 2, layout="(patterns, units)")
        checks.require(len(patterns) > 0, "patterns must hold at least one pattern, got none")
        self.weight.copy_(_correlation(self._working("patterns", patterns))).fill_diagonal_(0)
        return self

    def forward(self, state: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
        return self.energy(state)

    def energy(self, state: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
        """E(s) = -½ Σ_ij s_i W_ij s_j, of any real numbers."""
        return -0.5 * (state * self.field(state)).sum(-1)

    def field(self, state: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch N"]:
        """h_i = Σ_j W_ij s_j. A pattern ξ is stable where ξ_i h_i is positive for every unit."""
        self._check_width("state", checks.floating("state", state))
        return linear(state, self.weight)

    @torch.no_grad()
    def step(self, state: Float[Tensor, "*batch N"], units: Int[Tensor, " count"]) -> Float[Tensor, "*batch N"]:
        """The state after `units`, in this order, have turned to their fields; each sees those before it."""
        s = self._working("state", state).clone()
        checks.rank("units", units, 1, layout="(count,)")
        if units.dtype != torch.int64:
            raise TypeError(f"units must hold int64 indices, got {units.dtype}")
        if wrong := [i for i in units.tolist() if not 0 <= i < self.num_units]:
            raise ValueError(f"units must lie in [0, {self.num_units - 1}], got {wrong[0]}")
        return _one_by_one(s, self._self_coupled(), units).to(state.dtype)

    @torch.no_grad()
    def recall(
        self,
        state: Float[Tensor, "*batch N"],
        update: str = "async",
        max_sweeps: int = 100,
        generator: torch.Generator | None = None,
        trace: bool = False,
    ) -> Recall:
        """Let states of ±1 run downhill until nothing changes, for at most `max_sweeps` sweeps.

        "async"  one unit after the other, in a random order anew each sweep, the same for the whole batch. E never
                 rises, so that every state ends in a fixed point, given sweeps enough.
        "sync"   all units at once. E may rise, and two states may follow each other for ever; that is noticed, and
                 not called converged.

        A unit without a field, h_i = 0, stays as it is. `trace` keeps the energies.
        """
        checks.choice("update", update, ("async", "sync"))
        checks.integer("max_sweeps", max_sweeps)
        s, weight = self._working("state", state), self._self_coupled()
        before, sweeps, energies = s, 0, [_energy(s, self.weight)]
        converged = settled = torch.zeros(s.shape[:-1], dtype=torch.bool, device=s.device)
        while sweeps < max_sweeps and not settled.all():
            if update == "async":
                device = "cpu" if generator is None else generator.device
                new = _one_by_one(s.clone(), weight, torch.randperm(self.num_units, generator=generator, device=device))
            else:
                new = torch.copysign(torch.ones_like(s), s @ weight)
            converged = (new == s).all(-1)
            settled = converged if update == "async" else converged | (new == before).all(-1)
            before, s, sweeps = s, new, sweeps + 1
            if trace:
                energies.append(_energy(s, self.weight))
        return Recall(s.to(state.dtype), converged, sweeps, torch.stack(energies) if trace else None)

    def _self_coupled(self) -> Tensor:
        """W + ε I: where a unit has no field its own state decides, and it stays.

        ε = √N · 2⁻²³ · max_i Σ_j |W_ij| (in float32) is more than rounding makes of a field that is 0: W holds
        multiples of 1/N, most of which are no binary fractions. So a unit turns only where that truly lowers E.
        """
        weight = _wide(self.weight)
        kind = torch.finfo(weight.dtype)
        epsilon = (self.num_units**0.5 * kind.eps * weight.abs().sum(1).max()).clamp(min=kind.tiny)
        return weight + epsilon * torch.eye(self.num_units, dtype=weight.dtype, device=weight.device)

    def _working(self, name: str, states: Tensor) -> Tensor:
        """States of ±1 in the precision, and at the place, where they are worked with."""
        self._check_width(name, checks.floating(name, states))
        if checks.readable(states) and not (states.abs() == 1).all():
            strange = states[states.abs() != 1][0].item()
            raise ValueError(f"{name} must hold only -1 and +1, got {strange:g}; for bits of 0 and 1 pass 2 * x - 1")
        return states.to(_wide(self.weight))

    def _check_width(self, name: str, value: Tensor) -> None:
        checks.require(value.dim() > 0, f"{name} must have shape (..., {self.num_units}), got a scalar")
        checks.size(name, value, -1, self.num_units, "units")

    def extra_repr(self) -> str:
        return f"num_units={self.num_units}"


@component(
    66,
    "Hopfield network that learns from its mistakes",
    paper=(
        'Hopfield, Feinstein and Palmer 1983, "Unlearning" Has a Stabilizing Effect in Collective Memories, '
        "doi:10.1038/304158a0"
    ),
    oracle="the gradient of the energies",
    example="HopfieldNetworkOptimized(100)(torch.randn(1, 100).sign())",
)
class HopfieldNetworkOptimized(HopfieldNetwork):
    """A Hopfield network that learns from its mistakes, and so recalls far more than Hebb's 0.138 N patterns.

    Each epoch starts near every memory ξ, with some units turned over, and runs downhill to a minimum f. Where f is
    not ξ, it is unlearned, and the memory learned once more:

        W ← W + lr / N Σ (ξ ξᵀ - f fᵀ), diagonal 0

    which is gradient descent on Σ E(ξ) - E(f), the perceptron loss of LeCun et al. 2006, A Tutorial on Energy-Based
    Learning, section 2.2.2. Unlearning is of Hopfield, Feinstein and Palmer 1983, "Unlearning" Has a Stabilizing
    Effect in Collective Memories, https://doi.org/10.1038/304158a0.
    Differs from the paper: it starts near the memories, not at random, and takes away only what it gives to another.
    """

    @torch.no_grad()
    def fit(
        self,
        patterns: Float[Tensor, "P N"],
        epochs: int = 50,
        lr: float = 0.1,
        noise: float = 0.15,
        generator: torch.Generator | None = None,
    ) -> HopfieldNetworkOptimized:
        """Store `patterns` by Hebb's rule, then learn for `epochs`; `noise` is the probability to turn a unit over.

        More noise makes wider basins of attraction, and room for fewer of them. `generator` (of the patterns' device)
        draws the noise and the order of the updates.
        """
        checks.integer("epochs", epochs, minimum=0)
        checks.real("lr", lr, minimum=0.0)
        checks.probability("noise", noise)
        super().fit(patterns)
        x = self._working("patterns", patterns)
        memories = _correlation(x)
        for _ in range(epochs):
            turned = torch.rand(x.shape, generator=generator, device=x.device) < noise
            found = self.recall(torch.where(turned, -x, x), generator=generator).state
            self.weight.add_(memories - _correlation(found), alpha=lr).fill_diagonal_(0)
        return self


def _correlation(x: Tensor) -> Tensor:
    """Σ x xᵀ / N."""
    return x.mT @ x / x.size(1)


def _energy(s: Tensor, weight: Tensor) -> Tensor:
    return -0.5 * (s * (s @ _wide(weight))).sum(-1)


def _one_by_one(s: Tensor, weight: Tensor, units: Tensor) -> Tensor:
    """s_i ← sign(W_i · s) for each unit in turn, for all states at once; in place."""
    one, rows, columns = s.new_ones(()), weight.unbind(), s.unbind(-1)
    for i in units.tolist():
        torch.copysign(one, s @ rows[i], out=columns[i])
    return s


def _wide(x: Tensor) -> Tensor:
    """Sums of half-precision numbers are kept in float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
