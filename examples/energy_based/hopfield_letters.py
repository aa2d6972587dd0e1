"""A Hopfield network recalls letters from noise: `python examples/energy_based/hopfield_letters.py`.

Hebb's rule stores four letters, which are recalled from noise; the whole alphabet can only be stored by learning.
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
    letters: str = "AJXZ"  # stored by Hebb's rule: few letters, unlike each other
    noise: float = 0.25  # the probability that a dot of the start is flipped
    epochs: int = 200  # of learning the alphabet


def damage(x: Tensor, noise: float = 0.1) -> Tensor:
    return torch.where(torch.rand(x.shape) < noise, -x, x)


def recall_rate(network: HopfieldNetwork, memories: Tensor) -> float:
    """Return how many of 50 damaged copies of each memory are recalled exactly, in %."""
    copies = memories.repeat(50, 1)
    return 100 * (network.recall(damage(copies)).state == copies).all(-1).double().mean().item()


def main() -> None:
    config, run_dir = command_line(Config, "hopfield_letters", __doc__, small_steps=True)

    # Four letters and Hebb's rule: dots are updated one by one, in random order, ten states per sweep.
    few = letters(config.letters).flatten(1)  # P, 100
    network = HopfieldNetwork(100).fit(few)
    film = [damage(few, config.noise)]
    for units in (*torch.randperm(100).chunk(10), *torch.randperm(100).chunk(10)):
        film.append(network.step(film[-1], units))
    states = torch.stack(film)
    pictures, energies, floors = states.unflatten(-1, (10, 10)), network(states), network(few)
    title = f"{len(few)} letters in 100 units: downhill to a memory"
    recall_page(pictures, energies, floors, (0, 2, 4, 6, 8, 10, 20), run_dir / "film.png", sweep=10, title=title)

    # The alphabet: 26 similar patterns; even of random ones, Hebb's rule can store only 14.
    alphabet = letters().flatten(1)
    hebb = HopfieldNetwork(100).fit(alphabet)
    learned = HopfieldNetworkOptimized(100).fit(alphabet, 10 if config.smoke else config.epochs, noise=0.2)
    start = damage(alphabet)
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
recalled exactly from copies with 1 dot in 10 wrong, 50 copies of each letter
  {config.letters}, Hebb's rule            {recall_rate(network, few):5.1f} % · expected 98-100 for AJXZ
  the alphabet, Hebb's rule    {recall_rate(hebb, alphabet):5.1f} % · expected 0
  the alphabet, learned        {recall_rate(learned, alphabet):5.1f} % · expected {"less" if config.smoke else "90-97"}
pictures      {run_dir}/film.png (states falling in energy), {run_dir}/alphabet.png
the model     src/groundup/models/energy_based_models/hopfield.py · Hopfield 1982, equations 1 and 7
your own letters        python examples/energy_based/hopfield_letters.py --letters HOPE --noise 0.2
how much can be stored  python examples/energy_based/hopfield_capacity.py""")


if __name__ == "__main__":
    run(main)
