"""The capacity of a Hopfield network: `python examples/energy_based/hopfield_capacity.py`.

It stores more and more random patterns, by Hebb's rule and by learning, and recalls each from a copy with one unit in
ten flipped.
"""

from dataclasses import dataclass

from groundup.models.energy_based_models import HopfieldNetwork, HopfieldNetworkOptimized
from groundup.plots import recall_against_load
from groundup.training import Options, command_line, run

import torch

LOADS = (0.02, 0.05, 0.08, 0.11, 0.14, 0.17, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass
class Config(Options):
    units: int = 200
    noise: float = 0.1  # the probability that a unit of the start is flipped
    epochs: int = 50  # of learning
    seeds: int = 3  # repetitions, each with its own patterns


def overlap(network: HopfieldNetwork, patterns: torch.Tensor, noise: float) -> float:
    """Return the overlap of the recalled states with the patterns: 1 for equal states, 0 for chance."""
    start = torch.where(torch.rand(patterns.shape) < noise, -patterns, patterns)
    return (network.recall(start).state * patterns).mean().item()


def main() -> None:
    config, run_dir = command_line(Config, "hopfield_capacity", __doc__, small_steps=True)
    loads, repetitions = (LOADS[::5], 2) if config.smoke else (LOADS, config.seeds)

    # Store and recall new random patterns for every load.
    recalled: dict[str, list[list[float]]] = {"Hebb's rule": [], "learned": []}
    for _ in range(repetitions):
        curves: dict[str, list[float]] = {rule: [] for rule in recalled}
        for load in loads:
            patterns = 2.0 * torch.randint(2, (round(load * config.units), config.units)) - 1
            hebb = HopfieldNetwork(config.units).fit(patterns)
            learned = HopfieldNetworkOptimized(config.units).fit(patterns, config.epochs)
            for rule, network in zip(recalled, (hebb, learned)):
                curves[rule].append(overlap(network, patterns, config.noise))
        for rule in recalled:
            recalled[rule].append(curves[rule])

    # Draw and print.
    title = f"Random patterns in {config.units} units, recalled with {100 * config.noise:.0f} % of the units wrong"
    recall_against_load(loads, recalled, run_dir / "capacity.png", title=title)
    hebb_mean, learned_mean = torch.tensor([recalled[rule] for rule in recalled]).mean(1)
    lines = [f"  {load:.2f}  {h:11.3f}  {o:7.3f}" for load, h, o in zip(loads, hebb_mean, learned_mean)]
    print(f"overlap with the memory, mean of {repetitions}", "   P/N  Hebb's rule  learned", *lines, sep="\n")
    print(f"""
expected      Hebb's rule above 0.93 up to 0.14 and below 0.7 from 0.2 on; learned above 0.98 up to 0.3 (200 units)
picture       {run_dir}/capacity.png: mean and range; in theory Hebb's rule breaks down at P/N = 0.138 for many units
the model     src/groundup/models/energy_based_models/hopfield.py
theory        Amit, Gutfreund and Sompolinsky 1985, https://doi.org/10.1103/PhysRevLett.55.1530
more units    python examples/energy_based/hopfield_capacity.py --units 500 --epochs 20""")


if __name__ == "__main__":
    run(main)
