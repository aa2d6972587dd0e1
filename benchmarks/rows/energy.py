"""The restricted Boltzmann machine against scikit-learn's: learning, and features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM
from torch import Tensor

from benchmarks.harness import Row
from groundup.models.energy_based_models import RestrictedBoltzmannMachine
from rows.units import Unit

EPOCHS, BATCH, RATE = 10, 10, 0.1  # scikit-learn's own


def digits() -> np.ndarray:
    """(1797, 64) of 0 and 1."""
    return (load_digits().data >= 8).astype(np.float32)


def copied(theirs: BernoulliRBM) -> RestrictedBoltzmannMachine:
    """Our machine with scikit-learn's weights, so that one function judges both."""
    hidden, visible = theirs.components_.shape
    rbm = RestrictedBoltzmannMachine(visible, hidden)
    names = {"weight": "components_", "visible_bias": "intercept_visible_", "hidden_bias": "intercept_hidden_"}
    rbm.load_state_dict({ours: torch.from_numpy(np.asarray(getattr(theirs, name))) for ours, name in names.items()})
    return rbm


class Learn(Unit):
    """`learn` a machine on the digits; the outcome is the exact pseudo-likelihood of what it became."""

    def __init__(self, learn: Callable[[np.ndarray], RestrictedBoltzmannMachine | BernoulliRBM]) -> None:
        self.learn, self.x = learn, digits()

    def run(self) -> Sequence[Tensor]:
        self.learn(self.x)
        return ()

    def outcome(self) -> list[Tensor]:
        machine = self.learn(self.x)
        rbm = machine if isinstance(machine, RestrictedBoltzmannMachine) else copied(machine)
        with torch.no_grad():
            return [rbm.pseudo_likelihood(torch.from_numpy(self.x)).mean()]

    def compile(self) -> None:
        raise NotImplementedError("a fit is a loop in Python")


def no_worse(ours: list[Tensor], peer: list[Tensor], tolerance: float) -> str | None:
    """Two random streams give two machines: ours must have learned at least as much."""
    if ours[0] >= peer[0]:
        return None
    return f"pseudo-likelihood {ours[0].item():.2f}, the peer's {peer[0].item():.2f}"


def learning(hidden: int, persistent: bool) -> Row:
    def ours() -> Unit:
        def learn(x: np.ndarray) -> RestrictedBoltzmannMachine:
            rbm = RestrictedBoltzmannMachine(64, hidden)
            chains = rbm.sample(BATCH, steps=0) if persistent else None
            return rbm.fit(torch.from_numpy(x), EPOCHS, BATCH, RATE, persistent=chains)

        return Learn(learn)

    def theirs() -> Unit:
        machine = BernoulliRBM(hidden, learning_rate=RATE, batch_size=BATCH, n_iter=EPOCHS, random_state=0)
        return Learn(machine.fit)

    return Row(
        "energy",
        "RestrictedBoltzmannMachine",
        size=f"1,797 × 64, {hidden} hidden",
        work=f"{EPOCHS} epochs of {'PCD' if persistent else 'CD'}-1",
        against="sklearn BernoulliRBM.fit",
        ours=ours,
        peer=theirs,
        limit=1.0,
        compare=no_worse,
        not_compiled="a fit is a loop in Python",
    )


class Features(Unit):
    """P(h | v) of the digits under one machine's random weights."""

    def __init__(self, ours: bool, hidden: int) -> None:
        self.x = digits()
        generator = np.random.default_rng(0)
        self.peer = BernoulliRBM(hidden, n_iter=0, random_state=0).fit(self.x)
        self.peer.components_ = generator.normal(size=(hidden, 64)).astype(np.float32)
        rbm, v = copied(self.peer), torch.from_numpy(self.x)
        self.features: Callable[[], Tensor] = (
            (lambda: rbm.hidden_probs(v)) if ours else (lambda: torch.from_numpy(self.peer.transform(self.x)))
        )

    def run(self) -> Sequence[Tensor]:
        with torch.no_grad():
            return (self.features(),)

    def outcome(self) -> list[Tensor]:
        return list(self.run())

    def compile(self) -> None:
        self.features = torch.compile(self.features, fullgraph=True, dynamic=False)


ROWS = [
    *(learning(hidden, persistent) for hidden in (64, 256) for persistent in (False, True)),
    Row(
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
