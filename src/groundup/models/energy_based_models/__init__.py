"""Energy-based models: called with a state, each gives its energy; what it has learned are the low places.

They learn by one idea: lower the energy of the data, raise it where the model itself would go.
"""

from groundup.models.energy_based_models.boltzmann import RestrictedBoltzmannMachine
from groundup.models.energy_based_models.hopfield import HopfieldNetwork, HopfieldNetworkOptimized, Recall

__all__ = ["HopfieldNetwork", "HopfieldNetworkOptimized", "Recall", "RestrictedBoltzmannMachine"]
