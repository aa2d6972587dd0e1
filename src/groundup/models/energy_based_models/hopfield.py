"""Hopfield networks: an associative memory that completes a pattern from a damaged copy of it.

Hopfield 1982, Neural Networks and Physical Systems with Emergent Collective Computational Abilities.

    W = Σ ξ ξᵀ / N, diagonal 0     storage of the patterns ξ     E(s) = -½ sᵀ W s     their minima are the memories
    h = W s                        the field on each unit        s_i ← sign(h_i)      one unit at a time

Why W is symmetric and its diagonal 0: then an update of one unit never raises E, so that every state ends in a minimum.
With other weights the states may run in cycles.

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
    """The result of `recall`."""

    state: Float[Tensor, "*batch N"]
    converged: Bool[Tensor, "*batch"]  # True for fixed points, which the last sweep did not change
    sweeps: int  # the number of sweeps
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
    """States (..., N) → their energies E(s) = -½ sᵀ W s. `fit` stores patterns by Hebb's rule, W = Σ ξ ξᵀ / N.

    -ξ is stored together with ξ, because E(-s) = E(s). Up to 0.138 N random patterns are recalled with few errors, and
    none of more (Amit, Gutfreund and Sompolinsky 1985, https://doi.org/10.1103/PhysRevLett.55.1530).

    Args:
        num_units: N.
        device, dtype: of the buffer `weight` (N, N).

    Example:
        >>> patterns = torch.tensor([[1.0, 1, 1, -1, -1, -1], [1, -1, 1, -1, 1, -1]])
        >>> network = HopfieldNetwork(6).fit(patterns)
        >>> network.recall(torch.tensor([1.0, 1, 1, -1, -1, 1])).state
        tensor([ 1.,  1.,  1., -1., -1., -1.])
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
        """Store `patterns`, which replace earlier ones. Raises `ValueError` for values other than ±1."""
        checks.rank("patterns", checks.floating("patterns", patterns), 2, layout="(patterns, units)")
        checks.require(len(patterns) > 0, "patterns must hold at least one pattern, got none")
        self.weight.copy_(_correlation(self._prepare("patterns", patterns))).fill_diagonal_(0)
        return self

    def forward(self, state: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
        return self.energy(state)

    def energy(self, state: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
        """Return E(s) = -½ Σ_ij s_i W_ij s_j; s may hold any real numbers."""
        return -0.5 * (state * self.field(state)).sum(-1)

    def field(self, state: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch N"]:
        """Return h_i = Σ_j W_ij s_j. A pattern ξ is stable where ξ_i h_i is positive for every unit."""
        self._check_width("state", checks.floating("state", state))
        return linear(state, self.weight)

    @torch.no_grad()
    def step(self, state: Float[Tensor, "*batch N"], units: Int[Tensor, " count"]) -> Float[Tensor, "*batch N"]:
        """Return the state after updates of `units` in this order, each of which sees the earlier ones."""
        s = self._prepare("state", state).clone()
        checks.rank("units", units, 1, layout="(count,)")
        if units.dtype != torch.int64:
            raise TypeError(f"units must hold int64 indices, got {units.dtype}")
        if wrong := [i for i in units.tolist() if not 0 <= i < self.num_units]:
            raise ValueError(f"units must lie in [0, {self.num_units - 1}], got {wrong[0]}")
        return _update_units(s, self._add_self_coupling(), units).to(state.dtype)

    @torch.no_grad()
    def recall(
        self,
        state: Float[Tensor, "*batch N"],
        update: str = "async",
        max_sweeps: int = 100,
        generator: torch.Generator | None = None,
        trace: bool = False,
    ) -> Recall:
        """Update states of ±1 until nothing changes. A unit whose field is 0 keeps its value.

        Args:
            state: the start.
            update: "async" updates one unit at a time, in a random order that is drawn for every sweep and is the same
                for the whole batch. E never rises, so that every state reaches a fixed point after enough sweeps.
                "sync" updates all units at once. E may rise, and two states may alternate for ever; the search then
                stops, and the state is not `converged`.
            max_sweeps: the largest number of sweeps.
            generator: draws the orders.
            trace: also return the energies.
        """
        checks.choice("update", update, ("async", "sync"))
        checks.integer("max_sweeps", max_sweeps)
        s, weight = self._prepare("state", state), self._add_self_coupling()
        before, sweeps, energies = s, 0, [_energy(s, self.weight)]
        converged = settled = torch.zeros(s.shape[:-1], dtype=torch.bool, device=s.device)
        while sweeps < max_sweeps and not settled.all():
            if update == "async":
                device = "cpu" if generator is None else generator.device
                new = _update_units(
                    s.clone(), weight, torch.randperm(self.num_units, generator=generator, device=device)
                )
            else:
                new = torch.copysign(torch.ones_like(s), s @ weight)
            converged = (new == s).all(-1)
            settled = converged if update == "async" else converged | (new == before).all(-1)
            before, s, sweeps = s, new, sweeps + 1
            if trace:
                energies.append(_energy(s, self.weight))
        return Recall(s.to(state.dtype), converged, sweeps, torch.stack(energies) if trace else None)

    def _add_self_coupling(self) -> Tensor:
        """Return W + ε I, with which a unit whose field is 0 keeps its value.

        ε = √N · 2⁻²³ · max_i Σ_j |W_ij| (in float32) is larger than the rounding error of a field that is 0: W holds
        multiples of 1/N, most of which are not binary fractions. So a unit changes only where that lowers E.
        """
        weight = _wide(self.weight)
        kind = torch.finfo(weight.dtype)
        epsilon = (self.num_units**0.5 * kind.eps * weight.abs().sum(1).max()).clamp(min=kind.tiny)
        return weight + epsilon * torch.eye(self.num_units, dtype=weight.dtype, device=weight.device)

    def _prepare(self, name: str, states: Tensor) -> Tensor:
        """Return the states in the precision of the computation. Raises `ValueError` for other values than ±1."""
        self._check_width(name, checks.floating(name, states))
        if checks.can_read_values(states) and not (states.abs() == 1).all():
            other = states[states.abs() != 1][0].item()
            raise ValueError(f"{name} must hold only -1 and +1, got {other:g}; for bits of 0 and 1 pass 2 * x - 1")
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

    In each epoch, recall starts at every memory ξ with some units flipped and reaches a minimum f. Where f differs from
    ξ, f is unlearned and ξ learned again:

        W ← W + lr / N Σ (ξ ξᵀ - f fᵀ), diagonal 0

    Why: beyond 0.138 N patterns, Hebb's rule makes minima of mixtures of patterns. This rule raises their energy and
    lowers that of the patterns. It is gradient descent on Σ E(ξ) - E(f), the perceptron loss of LeCun et al. 2006, A
    Tutorial on Energy-Based Learning, section 2.2.2. Unlearning is due to Hopfield, Feinstein and Palmer 1983,
    "Unlearning" Has a Stabilizing Effect in Collective Memories, https://doi.org/10.1038/304158a0.
    Differs from the paper: recall starts near the memories, not at random states, and as much is learned as unlearned.

    Example:
        >>> patterns = torch.randn(20, 50).sign()
        >>> network = HopfieldNetworkOptimized(50).fit(patterns, epochs=100)
        >>> (network.recall(patterns).state == patterns).all().item()
        True
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
        """Store `patterns` by Hebb's rule, then learn.

        Args:
            patterns: the memories, each ±1.
            epochs: recalls of each memory.
            lr: the size of a correction.
            noise: the probability that a unit of the start is flipped. More noise makes wider basins of attraction,
                and fewer of them.
            generator: draws the noise and the order of the updates; on the device of `patterns`.
        """
        checks.integer("epochs", epochs, minimum=0)
        checks.real("lr", lr, minimum=0.0)
        checks.probability("noise", noise)
        super().fit(patterns)
        x = self._prepare("patterns", patterns)
        memories = _correlation(x)
        for _ in range(epochs):
            flipped = torch.rand(x.shape, generator=generator, device=x.device) < noise
            found = self.recall(torch.where(flipped, -x, x), generator=generator).state
            self.weight.add_(memories - _correlation(found), alpha=lr).fill_diagonal_(0)
        return self


def _correlation(x: Tensor) -> Tensor:
    """Return Σ x xᵀ / N."""
    return x.mT @ x / x.size(1)


def _energy(s: Tensor, weight: Tensor) -> Tensor:
    return -0.5 * (s * (s @ _wide(weight))).sum(-1)


def _update_units(s: Tensor, weight: Tensor, units: Tensor) -> Tensor:
    """Set s_i ← sign(W_i · s) in place for one unit after the other, for all states at once."""
    one, rows, columns = s.new_ones(()), weight.unbind(), s.unbind(-1)
    for i in units.tolist():
        torch.copysign(one, s @ rows[i], out=columns[i])
    return s


def _wide(x: Tensor) -> Tensor:
    """Return x in float32 if it has half precision, for sums."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
