"""The catalogue's echo state network."""

from __future__ import annotations

from groundup.catalogue.component import Component

ROWS = (
    Component(
        73,
        "EchoStateNetwork",
        "recurrent",
        "groundup.models.recurrent_networks",
        "random recurrent reservoir with a trained readout",
        "Jaeger and Haas 2004, Harnessing Nonlinearity",
        "https://doi.org/10.1126/science.1091277",
        "a loop over steps; scikit-learn's Ridge",
        figures=(("Mackey-Glass, 84 steps ahead", "normalised error 10^-4.2, 1,000 units"),),
        example="EchoStateNetwork()(torch.randn(1, 100, 1))",
    ),
)
