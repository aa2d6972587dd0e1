"""Rows: the energy-based models, whose forward is their energy."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM
from torch import nn

from groundup.models.energy_based_models import HopfieldNetwork, HopfieldNetworkOptimized, RestrictedBoltzmannMachine
from rows.benchmark import Benchmark
from rows.kit import Case, bad_inputs, draw, seeded_randn
from rows.units import Unit


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
        Case(network.__name__, "", lambda n=network: n(6), draw(6), lambda: PairEnergy(6))
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


def fit_optimized(*arguments, **options):
    return lambda: HopfieldNetworkOptimized(3).fit(*arguments, **options)


def rbm(method, *arguments, visible=3, hidden=2, **options):
    return lambda: getattr(RestrictedBoltzmannMachine(visible, hidden), method)(*arguments, **options)


ONE, NAN = torch.ones(2, 3), torch.tensor([[0.0, 1.0, torch.nan]])
H, O, R = "HopfieldNetwork", "HopfieldNetworkOptimized", "RestrictedBoltzmannMachine"

BAD_INPUTS = bad_inputs(
    HopfieldNetwork=[
        (lambda: HopfieldNetwork(0), "num_units must be at least 1, got 0"),
        (lambda: HopfieldNetwork(2.0), "TypeError: num_units must be an int, got 2.0"),
        (hopfield("fit", 0 * ONE), "patterns must hold only -1 and +1, got 0; for bits of 0 and 1 pass"),
        (hopfield("fit", 0.5 * ONE), "patterns must hold only -1 and +1, got 0.5"),
        (hopfield("fit", NAN), "patterns must hold only -1 and +1"),
        (hopfield("fit", torch.ones(2, 4)), "patterns must have 3 units (axis -1), got 4: shape (2, 4)"),
        (hopfield("fit", torch.ones(3)), "patterns must have shape (patterns, units), got 1 axes: (3,)"),
        (hopfield("fit", torch.ones(0, 3)), "patterns must hold at least one pattern, got none"),
        (hopfield("fit", ONE.long()), "TypeError: patterns must be a floating-point tensor, got torch.int64"),
        (hopfield("fit", [[1.0, 1.0, 1.0]]), "TypeError: patterns must be a torch.Tensor, got list"),
        (hopfield("recall", 0 * ONE), "state must hold only -1 and +1, got 0"),
        (hopfield("recall", torch.ones(2, 4)), "state must have 3 units (axis -1), got 4"),
        (hopfield("recall", torch.ones(())), "state must have shape (..., 3), got a scalar"),
        (hopfield("recall", ONE, update="random"), "update must be one of 'async', 'sync', got 'random'"),
        (hopfield("recall", ONE, max_sweeps=0), "max_sweeps must be at least 1, got 0"),
        (hopfield("energy", torch.ones(2, 4)), "state must have 3 units (axis -1), got 4"),
        (hopfield("energy", ONE.bool()), "TypeError: state must be a floating-point tensor, got torch.bool"),
        (hopfield("step", ONE, torch.tensor([3])), "units must lie in [0, 2], got 3"),
        (hopfield("step", ONE, torch.tensor([-1])), "units must lie in [0, 2], got -1"),
        (hopfield("step", ONE, torch.tensor([0.0])), "TypeError: units must hold int64 indices, got torch.float32"),
        (hopfield("step", ONE, torch.tensor(0)), "units must have shape (count,), got 0 axes"),
    ],
    HopfieldNetworkOptimized=[
        (lambda: HopfieldNetworkOptimized(-1), "num_units must be at least 1, got -1"),
        (fit_optimized(0 * ONE), "patterns must hold only -1 and +1, got 0"),
        (fit_optimized(ONE, epochs=-1), "epochs must be at least 0, got -1"),
        (fit_optimized(ONE, lr=-0.1), "lr must be a finite number in [0.0, inf], got -0.1"),
        (fit_optimized(ONE, noise=1.5), "noise must be a finite number in [0.0, 1.0], got 1.5"),
    ],
    RestrictedBoltzmannMachine=[
        (lambda: RestrictedBoltzmannMachine(0, 2), "num_visible must be at least 1, got 0"),
        (lambda: RestrictedBoltzmannMachine(2, 0), "num_hidden must be at least 1, got 0"),
        (rbm("pseudo_likelihood", 0.5 * ONE), "v must hold only 0 and 1 for a pseudo-likelihood; binarise"),
        (rbm("hidden_probs", torch.ones(2, 2)), "v must have 3 visible units (axis -1), got 2"),
        (rbm("visible_probs", ONE), "h must have 2 hidden units (axis -1), got 3"),
        (rbm("energy", ONE, ONE), "h must have 2 hidden units (axis -1), got 3"),
        (rbm("energy", ONE[:1], torch.ones(2, 2)), "h must have v's batch (1,), got (2,)"),
        (rbm("free_energy", ONE.bool()), "TypeError: v must be a floating-point tensor, got torch.bool"),
        (rbm("free_energy", torch.ones(())), "v must have shape (..., 3), got a scalar"),
        (rbm("fit", ONE[0]), "x must have shape (N, 3), got 1 axes: (3,)"),
        (rbm("fit", torch.ones(0, 3)), "x must hold at least one row, got none"),
        (rbm("fit", ONE, lr=-0.1), "lr must be a finite number in [0.0, inf], got -0.1"),
        (rbm("fit", ONE, k=0), "k must be at least 1, got 0"),
        (rbm("fit", ONE, epochs=-1), "epochs must be at least 0, got -1"),
        (rbm("fit", ONE, batch_size=0), "batch_size must be at least 1, got 0"),
        (rbm("fit", ONE, persistent=-ONE), "persistent must hold 0 and 1, or probabilities between"),
        (rbm("contrastive_divergence", ONE, k=0), "k must be at least 1, got 0"),
        (rbm("contrastive_divergence", torch.ones(0, 3)), "v must hold at least one row, got none"),
        (
            rbm("contrastive_divergence", ONE, persistent=torch.ones(2, 4)),
            "persistent must have 3 visible units (axis -1), got 4",
        ),
        (
            rbm("contrastive_divergence", ONE, persistent=torch.ones(0, 3)),
            "persistent must hold at least one row, got none",
        ),
        (rbm("sample", -1), "count must be at least 0, got -1"),
        (rbm("sample", 1, steps=-1), "steps must be at least 0, got -1"),
        (rbm("reconstruct", ONE, steps=0), "steps must be at least 1, got 0"),
        (rbm("reconstruct", ONE, known=ONE), "TypeError: known must be boolean (True = as given), got torch.float32"),
        (rbm("reconstruct", ONE, known=ONE.bool()[0]), "known must have v's shape (2, 3), got (3,)"),
        (
            rbm("log_partition", visible=30, hidden=40),
            "log Z sums over 2^30 states of the smaller layer, and at most 20 units are enumerated",
        ),
    ],
)
BAD_INPUTS += [
    *[
        (R, rbm(method, bad), ValueError, f"{name} must hold 0 and 1, or probabilities between, got values in [")
        for method, name in (
            *(("free_energy", "v"), ("hidden_probs", "v"), ("visible_probs", "h"), ("gibbs", "v")),
            *(("reconstruct", "v"), ("contrastive_divergence", "v"), ("fit", "x"), ("pseudo_likelihood", "v")),
        )
        for bad in ([2.0 * torch.ones(2, 2), -ONE[:, :2]] if name == "h" else [2.0 * ONE, -ONE, NAN])
    ]
]

# ---- benchmarks ----------------------------------------------------------------------------------------------------

EPOCHS, BATCH, RATE = 10, 10, 0.1  # scikit-learn's own


def digits():
    """(1797, 64) of 0 and 1."""
    return (load_digits().data >= 8).astype(np.float32)


def copy_machine(theirs):
    """Our machine with scikit-learn's weights, so that one function evaluates both."""
    hidden, visible = theirs.components_.shape
    rbm = RestrictedBoltzmannMachine(visible, hidden)
    names = {"weight": "components_", "visible_bias": "intercept_visible_", "hidden_bias": "intercept_hidden_"}
    rbm.load_state_dict({ours: torch.from_numpy(np.asarray(getattr(theirs, name))) for ours, name in names.items()})
    return rbm


class Learn(Unit):
    """`learn` a machine on the digits; the outcome is the exact pseudo-likelihood of the machine."""

    def __init__(self, learn):
        self.learn, self.x = learn, digits()

    def run(self):
        self.learn(self.x)
        return ()

    def outcome(self):
        machine = self.learn(self.x)
        rbm = machine if isinstance(machine, RestrictedBoltzmannMachine) else copy_machine(machine)
        with torch.no_grad():
            return [rbm.pseudo_likelihood(torch.from_numpy(self.x)).mean()]

    def compile(self):
        raise NotImplementedError("a fit is a loop in Python")


def compare_learning(ours, peer, tolerance):
    """Two random streams give two machines: ours must have learned at least as much."""
    if ours[0] >= peer[0]:
        return None
    return f"pseudo-likelihood {ours[0].item():.2f}, the peer's {peer[0].item():.2f}"


def compare_fits(hidden, persistent):
    def ours():
        def learn(x):
            rbm = RestrictedBoltzmannMachine(64, hidden)
            chains = rbm.sample(BATCH, steps=0) if persistent else None
            return rbm.fit(torch.from_numpy(x), EPOCHS, BATCH, RATE, persistent=chains)

        return Learn(learn)

    def theirs():
        machine = BernoulliRBM(hidden, learning_rate=RATE, batch_size=BATCH, n_iter=EPOCHS, random_state=0)
        return Learn(machine.fit)

    return Benchmark(
        "energy",
        "RestrictedBoltzmannMachine",
        size=f"1,797 × 64, {hidden} hidden",
        work=f"{EPOCHS} epochs of {'PCD' if persistent else 'CD'}-1",
        against="sklearn BernoulliRBM.fit",
        ours=ours,
        peer=theirs,
        limit=1.0,
        compare=compare_learning,
        not_compiled="a fit is a loop in Python",
    )


class Features(Unit):
    """P(h | v) of the digits under one machine's random weights."""

    def __init__(self, ours, hidden):
        self.x = digits()
        generator = np.random.default_rng(0)
        self.peer = BernoulliRBM(hidden, n_iter=0, random_state=0).fit(self.x)
        self.peer.components_ = generator.normal(size=(hidden, 64)).astype(np.float32)
        rbm, v = copy_machine(self.peer), torch.from_numpy(self.x)
        self.features = (
            (lambda: rbm.hidden_probs(v)) if ours else (lambda: torch.from_numpy(self.peer.transform(self.x)))
        )

    def run(self):
        with torch.no_grad():
            return (self.features(),)

    def outcome(self):
        return list(self.run())

    def compile(self):
        self.features = torch.compile(self.features, fullgraph=True, dynamic=False)


BENCHMARKS = [
    *(compare_fits(hidden, persistent) for hidden in (64, 256) for persistent in (False, True)),
    Benchmark(
        "energy",
        "RestrictedBoltzmannMachine",
        size="1,797 × 64, 256 hidden",
        work="P(h | v)",
        against="sklearn BernoulliRBM.transform",
        ours=lambda: Features(True, 256),
        peer=lambda: Features(False, 256),
        limit=1.0,
    ),
]
