"""Energy-based models: called with a state, each returns its energy, which is low for what the model has learned.

All of them learn by one idea: lower the energy of the data, and raise it where the model itself goes.
"""

from groundup.models.energy_based_models.boltzmann import RestrictedBoltzmannMachine
from groundup.models.energy_based_models.hopfield import HopfieldNetwork, HopfieldNetworkOptimized, Recall

__all__ = ["HopfieldNetwork", "HopfieldNetworkOptimized", "Recall", "RestrictedBoltzmannMachine"]
