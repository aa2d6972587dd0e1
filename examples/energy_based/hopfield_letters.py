"""A memory that completes what it is shown, as in 1982: `python examples/energy_based/hopfield_letters.py`.

Four letters are stored by Hebb's rule and recalled from noise; then the whole alphabet, which only learning can hold.
"""

from dataclasses import dataclass
from string import ascii_uppercase

from groundup.data import letters
from groundup.models.energy_based_models import HopfieldNetwork, HopfieldNetworkOptimized
from groundup.plots import image_grid, recall_page
from groundup.training import Options, command_line, run

import torch
from torch import Tensor


@dataclass
class Config(Options):
    letters: str = "AJXZ"  # what Hebb's rule shall store: few, and unlike each other
    noise: float = 0.25  # the probability that a dot of the film's start is turned over
    epochs: int = 200  # of learning the alphabet


def damaged(x: Tensor, noise: float = 0.1) -> Tensor:
    return torch.where(torch.rand(x.shape) < noise, -x, x)


def recalled(network: HopfieldNetwork, memories: Tensor) -> float:
    """How many of 50 damaged copies of each memory come back without a single wrong dot, in %."""
    copies = memories.repeat(50, 1)
    return 100 * (network.recall(damaged(copies)).state == copies).all(-1).double().mean().item()


def main() -> None:
    config, run_dir = command_line(Config, "hopfield_letters", __doc__, small_steps=True)

    # Four letters and Hebb's rule, filmed: the dots turn one by one, in random order, ten frames a sweep.
    few = letters(config.letters).flatten(1)  # P, 100
    network = HopfieldNetwork(100).fit(few)
    film = [damaged(few, config.noise)]
    for units in (*torch.randperm(100).chunk(10), *torch.randperm(100).chunk(10)):
        film.append(network.step(film[-1], units))
    states = torch.stack(film)
    pictures, energies, floors = states.unflatten(-1, (10, 10)), network(states), network(few)
    title = f"{len(few)} letters in 100 units: downhill to a memory"
    recall_page(pictures, energies, floors, (0, 2, 4, 6, 8, 10, 20), run_dir / "film.png", sweep=10, title=title)

    # The alphabet: 26 patterns, where random ones would be too many beyond 14; and these are look-alikes.
    alphabet = letters().flatten(1)
    hebb = HopfieldNetwork(100).fit(alphabet)
    learned = HopfieldNetworkOptimized(100).fit(alphabet, 10 if config.smoke else config.epochs, noise=0.2)
    start = damaged(alphabet)
    rows = {"damaged": start, "Hebb": hebb.recall(start).state, "learned": learned.recall(start).state}
    images, captions, wrong = [], [], []
    for half in (slice(0, 13), slice(13, 26)):
        for name, row in rows.items():
            images.append(row[half].unflatten(-1, (10, 10)))
            captions += [f"{letter} {name}" for letter in ascii_uppercase[half]]
            wrong += [name != "damaged" and flaw for flaw in (row != alphabet)[half].any(-1).tolist()]
    title = "26 letters in 100 units: by Hebb's rule, and after learning (red: not the letter)"
    image_grid(torch.cat(images), run_dir / "alphabet.png", captions, wrong, columns=13, title=title)

    print(f"""
recalled to the last dot from damage of 1 dot in 10, of 50 copies each
  {config.letters}, Hebb's rule            {recalled(network, few):5.1f} % · expected 98-100 for AJXZ
  the alphabet, Hebb's rule    {recalled(hebb, alphabet):5.1f} % · expected 0
  the alphabet, learned        {recalled(learned, alphabet):5.1f} % · expected {"less" if config.smoke else "90-97"}
pictures      {run_dir}/film.png (states falling in energy), {run_dir}/alphabet.png
the model     src/groundup/models/energy_based_models/hopfield.py · Hopfield 1982, equations 1 and 7
letters of your own     python examples/energy_based/hopfield_letters.py --letters HOPE --noise 0.2
how much can be stored  python examples/energy_based/hopfield_capacity.py""")


if __name__ == "__main__":
    run(main)
