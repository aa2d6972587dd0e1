"""An echo state network forecasts a chaotic series: `python examples/recurrent/echo_state_mackey_glass.py`.

A reservoir of 1,000 random units is fitted in closed form to predict the next value of the Mackey-Glass series. Then it
runs freely, its output being its next input. The error after 84 steps is the benchmark of Jaeger and Haas 2004.
"""

import time
from dataclasses import dataclass

from groundup.data import mackey_glass
from groundup.models.recurrent_networks import EchoStateNetwork
from groundup.plots import forecast_page
from groundup.training import Options, command_line, run

import torch

AHEAD = 84
PUBLISHED = (AHEAD, 10**-4.2, "Jaeger and Haas 2004")


@dataclass
class Config(Options):
    units: int = 1000
    train: int = 3000  # steps; the first `washout` of them are not fitted
    washout: int = 1000
    starts: int = 100  # places of the test part to start from, `gap` steps apart
    gap: int = 20
    spectral_radius: float = 0.9
    leak: float = 0.5
    density: float = 0.01
    ridge: float = 1e-12


@torch.no_grad()
def main() -> None:
    config, run_dir = command_line(Config, "echo_state_mackey_glass", __doc__, small_steps=True)
    if config.smoke:
        config.units, config.train, config.washout, config.starts, config.density = 100, 400, 100, 10, 0.1

    # Data: the series, shifted and squashed as in the paper.
    warm_up, train = 1000, config.train
    series = torch.tanh(mackey_glass(train + warm_up + config.starts * config.gap + 500, seed=config.seed) - 1)
    u = series[None, :, None]  # B, T, 1

    # Fit: drive the reservoir, then solve one least-squares problem.
    start = time.perf_counter()
    options = {"spectral_radius": config.spectral_radius, "leak": config.leak, "density": config.density}
    network = EchoStateNetwork(1, config.units, 1, **options, dtype=torch.float64)
    network.fit(u[:, :train], u[:, 1 : train + 1], config.washout, config.ridge)
    print(f"a reservoir of {config.units} units fitted to {train} steps in {time.perf_counter() - start:.1f} s")

    # Run freely from all starts at once, each from its state along the true series.
    last = train + warm_up + torch.arange(config.starts) * config.gap  # the last step seen
    states, _ = network.states(u[:, : last[-1] + 1])
    context, state = u[0, last, None], states[0, last - 1]
    made = network.generate(context, 500, state)[..., 0]  # starts, 500
    truth = series[last[:, None] + torch.arange(1, 501)]
    errors = (made - truth).square().mean(0).sqrt() / series.std()
    observed = errors[AHEAD - 1].log10().item()

    # Draw and print.
    title = f"Mackey-Glass, τ = 17: {config.units} random units, {config.starts} free runs"
    past = series[last[0] - 200 : last[0] + 1]
    forecast_page(past, truth[0], made[0], errors, run_dir / "forecast.png", PUBLISHED, title)
    expected = "anything, for so small a network" if config.smoke else "10^-4.6 to 10^-4.0"
    print(f"""
normalised error after {AHEAD} free steps   10^{observed:.2f} · expected {expected}; Jaeger and Haas 2004: 10^-4.2
picture        {run_dir}/forecast.png
the model      src/groundup/models/recurrent_networks/echo_state.py · Jaeger 2001, section 3
the series     src/groundup/data/tables/mackey_glass.py
smaller        python examples/recurrent/echo_state_mackey_glass.py --units 400 --density 0.025""")


if __name__ == "__main__":
    run(main)
