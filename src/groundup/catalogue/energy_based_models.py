"""The catalogue's energy-based models."""

from __future__ import annotations

from groundup.catalogue.component import Component

_MODULE = "groundup.models.energy_based_models"

ROWS = (
    Component(
        65,
        "HopfieldNetwork",
        "energy",
        _MODULE,
        "stores patterns as minima of an energy",
        "Hopfield 1982, Neural Networks and Physical Systems with Emergent Collective Computational Abilities",
        "https://doi.org/10.1073/pnas.79.8.2554",
        "a loop over pairs; dynamics in whole numbers",
        example="HopfieldNetwork(100)(torch.randn(1, 100).sign())",
    ),
    Component(
        66,
        "HopfieldNetworkOptimized",
        "energy",
        _MODULE,
        "Hopfield network that learns from its mistakes",
        'Hopfield, Feinstein and Palmer 1983, "Unlearning" Has a Stabilizing Effect in Collective Memories',
        "https://doi.org/10.1038/304158a0",
        "the gradient of the energies",
        example="HopfieldNetworkOptimized(100)(torch.randn(1, 100).sign())",
    ),
    Component(
        67,
        "RestrictedBoltzmannMachine",
        "energy",
        _MODULE,
        "generative model of binary data with hidden units",
        "Smolensky 1986, Information Processing in Dynamical Systems: Foundations of Harmony Theory",
        "https://stanford.edu/~jlmcc/papers/PDP/Volume%201/Chap6_PDP86.pdf",
        "all states, enumerated; scikit-learn's BernoulliRBM",
        example="RestrictedBoltzmannMachine(784, 128)(torch.rand(1, 784))",
    ),
)
