"""The paths of the optimizers on three landscapes: `python examples/shallow/visualize_optimizers.py`.

Beale's function has a flat valley, Rosenbrock's a curved and narrow one, and the third a saddle point. Each optimizer
has the learning rate (1, 2 or 5 times a power of ten) that arrives first without leaving the picture.
"""

from dataclasses import dataclass

from groundup import optimizers
from groundup.plots import Landscape, descent_film, descents
from groundup.training import Options, command_line, run

import torch

BEALE = Landscape(
    "Beale",
    lambda x, y: (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2,
    [(3.0, 0.5)],
    (-0.5, 4.5, -1.5, 2.0),
)
ROSENBROCK = Landscape(
    "Rosenbrock", lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2, [(1.0, 1.0)], (-2.2, 2.2, -1.0, 3.0)
)
SADDLE = Landscape(
    "Saddle", lambda x, y: x**2 - y**2 + y**4 / 4, [(0.0, 2**0.5), (0.0, -(2**0.5))], (-2.0, 2.0, -2.2, 2.2), log=False
)
LANDSCAPES, STARTS = (BEALE, ROSENBROCK, SADDLE), ((1.0, 1.5), (-1.5, 2.0), (-1.5, 0.01))

# name: (optimizer, its options, the learning rate on each landscape)
WALKERS = {
    "SGD": ("SGD", {}, (0.02, 0.002, 0.2)),
    "SGD_Momentum": ("SGD_Momentum", {}, (0.002, 0.002, 0.05)),
    "Nesterov": ("SGD_Momentum", {"nesterov": True}, (0.005, 0.001, 0.2)),
    "AdaDelta": ("AdaDelta", {}, (200.0, 5.0, 50.0)),
    "AdaGrad": ("AdaGrad", {}, (1.0, 0.5, 1.0)),
    "RMSProp": ("RMSProp", {}, (0.1, 0.005, 0.1)),
    "Adam": ("Adam", {}, (0.5, 1.0, 1.0)),
    "AdamW": ("AdamW", {}, (0.5, 0.05, 1.0)),
}


@dataclass
class Config(Options):
    steps: int = 3000  # the largest number
    near: float = 0.05  # the distance from a minimum at which a path ends
    frames: int = 60  # of the film


def walk(land, start, name, options, lr, config):
    """Return (the places of the path, whether it reached a minimum)."""
    place = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = getattr(optimizers, name)([place], lr=lr, **options)
    minima, places = torch.tensor(land.minima, dtype=torch.float64), []
    for _ in range(config.steps + 1):
        places.append(place.detach().clone())
        if (places[-1] - minima).norm(dim=1).min() < config.near:
            return torch.stack(places), True
        optimizer.zero_grad()
        land.height(*place).backward()
        optimizer.step()
    return torch.stack(places), False


def main() -> None:
    config, run_dir = command_line(Config, "visualize_optimizers", __doc__, small_steps=True)
    if config.smoke:
        config.steps, config.frames = 50, 4
    paths, arrived = [{} for _ in LANDSCAPES], 0
    print(f"steps to the minimum{''.join(f'{land.name:>12}' for land in LANDSCAPES)}")
    for walker, (name, options, rates) in WALKERS.items():
        row = []
        for land, start, lr, of_panel in zip(LANDSCAPES, STARTS, rates, paths):
            of_panel[walker], there = walk(land, start, name, options, lr, config)
            arrived += there
            row.append(f"{len(of_panel[walker]) - 1:,}" if there else f"> {config.steps:,}")
        print(f"{walker:20}{''.join(f'{cell:>12}' for cell in row)}")
    descents(LANDSCAPES, paths, run_dir / "paths.png", "Eight optimizers on three landscapes")
    descent_film(LANDSCAPES, paths, run_dir / "paths.gif", config.frames, title="Eight optimizers on three landscapes")
    expected = "some, in 50 steps" if config.smoke else "22: AdaGrad and AdaDelta stop in Rosenbrock's valley"
    print(f"""
{arrived} of 24 paths reach a minimum · expected {expected}
pictures      {run_dir}/paths.png, {run_dir}/paths.gif (the film)
the rules     src/groundup/optimizers/ · Kingma and Ba 2015 for Adam; each class names its paper
more steps    python examples/shallow/visualize_optimizers.py --steps 10000""")


if __name__ == "__main__":
    run(main)
