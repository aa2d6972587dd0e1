"""Rows: the energy-based models, whose forward is their energy."""

import torch
from torch import nn

from groundup.models.energy_based_models import HopfieldNetwork, HopfieldNetworkOptimized, RestrictedBoltzmannMachine
from rows.kit import Case, seeded_randn, shaped


class PairEnergy(nn.Module):
    """-½ Σ_ij s_i W_ij s_j, pair by pair."""

    def __init__(self, units):
        super().__init__()
        self.register_buffer("weight", torch.zeros(units, units))

    def forward(self, s):
        total = 0
        for i in range(s.size(-1)):
            for j in range(s.size(-1)):
                total = total - s[..., i] * self.weight[i, j] * s[..., j] / 2
        return total


class EnumeratedFreeEnergy(nn.Module):
    """-log Σ_h exp(-E(v, h)) over all hidden states, one by one."""

    def __init__(self, visible, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(hidden, visible))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))

    def forward(self, v):
        states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=v.dtype, device=v.device)] * len(self.weight))
        minus_energy = [
            torch.einsum("bi,i->b", v, self.visible_bias)
            + torch.dot(h, self.hidden_bias)
            + torch.einsum("j,ji,bi->b", h, self.weight, v)
            for h in states
        ]
        return -torch.logsumexp(torch.stack(minus_energy), 0)


def probabilities(*rest):
    return lambda batch=2, dtype=torch.float64: (torch.sigmoid(seeded_randn(batch, *rest)).to(dtype),)


CASES = [
    *[
        Case(network.__name__, "", lambda n=network: n(6), shaped(6), lambda: PairEnergy(6))
        for network in (HopfieldNetwork, HopfieldNetworkOptimized)
    ],
    Case(
        "RestrictedBoltzmannMachine",
        "",
        lambda: RestrictedBoltzmannMachine(5, 4),
        probabilities(5),
        lambda: EnumeratedFreeEnergy(5, 4),
    ),
]

REQUIRED = {"RestrictedBoltzmannMachine": (3, 2)}


def hopfield(method, *arguments, **options):
    return lambda: getattr(HopfieldNetwork(3), method)(*arguments, **options)


def optimized(*arguments, **options):
    return lambda: HopfieldNetworkOptimized(3).fit(*arguments, **options)


def rbm(method, *arguments, visible=3, hidden=2, **options):
    return lambda: getattr(RestrictedBoltzmannMachine(visible, hidden), method)(*arguments, **options)


ONE, NAN = torch.ones(2, 3), torch.tensor([[0.0, 1.0, torch.nan]])
H, O, R = "HopfieldNetwork", "HopfieldNetworkOptimized", "RestrictedBoltzmannMachine"

BAD_INPUTS = [
    (H, lambda: HopfieldNetwork(0), ValueError, "num_units must be at least 1, got 0"),
    (H, lambda: HopfieldNetwork(2.0), TypeError, "num_units must be an int, got 2.0"),
    (H, hopfield("fit", 0 * ONE), ValueError, "patterns must hold only -1 and +1, got 0; for bits of 0 and 1 pass"),
    (H, hopfield("fit", 0.5 * ONE), ValueError, "patterns must hold only -1 and +1, got 0.5"),
    (H, hopfield("fit", NAN), ValueError, "patterns must hold only -1 and +1"),
    (H, hopfield("fit", torch.ones(2, 4)), ValueError, "patterns must have 3 units (axis -1), got 4: shape (2, 4)"),
    (H, hopfield("fit", torch.ones(3)), ValueError, "patterns must have shape (patterns, units), got 1 axes: (3,)"),
    (H, hopfield("fit", torch.ones(0, 3)), ValueError, "patterns must hold at least one pattern, got none"),
    (H, hopfield("fit", ONE.long()), TypeError, "patterns must be a floating-point tensor, got torch.int64"),
    (H, hopfield("fit", [[1.0, 1.0, 1.0]]), TypeError, "patterns must be a torch.Tensor, got list"),
    (H, hopfield("recall", 0 * ONE), ValueError, "state must hold only -1 and +1, got 0"),
    (H, hopfield("recall", torch.ones(2, 4)), ValueError, "state must have 3 units (axis -1), got 4"),
    (H, hopfield("recall", torch.ones(())), ValueError, "state must have shape (..., 3), got a scalar"),
    (H, hopfield("recall", ONE, update="random"), ValueError, "update must be one of 'async', 'sync', got 'random'"),
    (H, hopfield("recall", ONE, max_sweeps=0), ValueError, "max_sweeps must be at least 1, got 0"),
    (H, hopfield("energy", torch.ones(2, 4)), ValueError, "state must have 3 units (axis -1), got 4"),
    (H, hopfield("energy", ONE.bool()), TypeError, "state must be a floating-point tensor, got torch.bool"),
    (H, hopfield("step", ONE, torch.tensor([3])), ValueError, "units must lie in [0, 2], got 3"),
    (H, hopfield("step", ONE, torch.tensor([-1])), ValueError, "units must lie in [0, 2], got -1"),
    (H, hopfield("step", ONE, torch.tensor([0.0])), TypeError, "units must hold int64 indices, got torch.float32"),
    (H, hopfield("step", ONE, torch.tensor(0)), ValueError, "units must have shape (count,), got 0 axes"),
    (O, lambda: HopfieldNetworkOptimized(-1), ValueError, "num_units must be at least 1, got -1"),
    (O, optimized(0 * ONE), ValueError, "patterns must hold only -1 and +1, got 0"),
    (O, optimized(ONE, epochs=-1), ValueError, "epochs must be at least 0, got -1"),
    (O, optimized(ONE, lr=-0.1), ValueError, "lr must be a finite number in [0.0, inf], got -0.1"),
    (O, optimized(ONE, noise=1.5), ValueError, "noise must be a finite number in [0.0, 1.0], got 1.5"),
    (R, lambda: RestrictedBoltzmannMachine(0, 2), ValueError, "num_visible must be at least 1, got 0"),
    (R, lambda: RestrictedBoltzmannMachine(2, 0), ValueError, "num_hidden must be at least 1, got 0"),
    *[
        (R, rbm(method, bad), ValueError, f"{name} must hold 0 and 1, or probabilities between, got values in [")
        for method, name in (
            *(("free_energy", "v"), ("hidden_probs", "v"), ("visible_probs", "h"), ("gibbs", "v")),
            *(("reconstruct", "v"), ("contrastive_divergence", "v"), ("fit", "x"), ("pseudo_likelihood", "v")),
        )
        for bad in ([2.0 * torch.ones(2, 2), -ONE[:, :2]] if name == "h" else [2.0 * ONE, -ONE, NAN])
    ],
    (R, rbm("pseudo_likelihood", 0.5 * ONE), ValueError, "v must hold only 0 and 1 for a pseudo-likelihood; binarise"),
    (R, rbm("hidden_probs", torch.ones(2, 2)), ValueError, "v must have 3 visible units (axis -1), got 2"),
    (R, rbm("visible_probs", ONE), ValueError, "h must have 2 hidden units (axis -1), got 3"),
    (R, rbm("energy", ONE, ONE), ValueError, "h must have 2 hidden units (axis -1), got 3"),
    (R, rbm("energy", ONE[:1], torch.ones(2, 2)), ValueError, "h must have v's batch (1,), got (2,)"),
    (R, rbm("free_energy", ONE.bool()), TypeError, "v must be a floating-point tensor, got torch.bool"),
    (R, rbm("free_energy", torch.ones(())), ValueError, "v must have shape (..., 3), got a scalar"),
    (R, rbm("fit", ONE[0]), ValueError, "x must have shape (N, 3), got 1 axes: (3,)"),
    (R, rbm("fit", torch.ones(0, 3)), ValueError, "x must hold at least one row, got none"),
    (R, rbm("fit", ONE, lr=-0.1), ValueError, "lr must be a finite number in [0.0, inf], got -0.1"),
    (R, rbm("fit", ONE, k=0), ValueError, "k must be at least 1, got 0"),
    (R, rbm("fit", ONE, epochs=-1), ValueError, "epochs must be at least 0, got -1"),
    (R, rbm("fit", ONE, batch_size=0), ValueError, "batch_size must be at least 1, got 0"),
    (R, rbm("fit", ONE, persistent=-ONE), ValueError, "persistent must hold 0 and 1, or probabilities between"),
    (R, rbm("contrastive_divergence", ONE, k=0), ValueError, "k must be at least 1, got 0"),
    (R, rbm("contrastive_divergence", torch.ones(0, 3)), ValueError, "v must hold at least one row, got none"),
    (
        R,
        rbm("contrastive_divergence", ONE, persistent=torch.ones(2, 4)),
        ValueError,
        "persistent must have 3 visible units (axis -1), got 4",
    ),
    (
        R,
        rbm("contrastive_divergence", ONE, persistent=torch.ones(0, 3)),
        ValueError,
        "persistent must hold at least one row, got none",
    ),
    (R, rbm("sample", -1), ValueError, "count must be at least 0, got -1"),
    (R, rbm("sample", 1, steps=-1), ValueError, "steps must be at least 0, got -1"),
    (R, rbm("reconstruct", ONE, steps=0), ValueError, "steps must be at least 1, got 0"),
    (R, rbm("reconstruct", ONE, known=ONE), TypeError, "known must be boolean (True = as given), got torch.float32"),
    (R, rbm("reconstruct", ONE, known=ONE.bool()[0]), ValueError, "known must have v's shape (2, 3), got (3,)"),
    (
        R,
        rbm("log_partition", visible=30, hidden=40),
        ValueError,
        "log Z sums over 2^30 states of the smaller layer, and at most 20 units are enumerated",
    ),
]
