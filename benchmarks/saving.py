"""How long saving GPT-2's checkpoint, 124 million parameters and AdamW's state, delays training.

    python -m benchmarks.saving [--steps 16] [--batch 1] [--context 256] [--small]

A step lasts from one call of the objective to the next. Every fourth ends with a checkpoint, first written while
training waits, then in the background.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch

from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW
from groundup.training import Trainer, language_model
from groundup.training.writer import Writer


class Tokens:
    """The same random batch, as often as it is asked for."""

    def __init__(self, batch: int, context: int, vocab_size: int) -> None:
        self.batch = torch.randint(0, vocab_size, (batch, context))

    def __len__(self) -> int:
        return 1000

    def seek(self, epoch: int, batch: int = 0) -> None: ...

    def __iter__(self):
        for _ in range(len(self)):
            yield self.batch, self.batch


def steps(background: bool, given: argparse.Namespace, folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Seconds of steps without a checkpoint, of steps with one, and of copying the state."""
    model = GPT2(context=given.context, dropout=0.0, **({"embed_dim": 96, "num_layers": 2} if given.small else {}))
    objective, calls, copies, copied = language_model(), [], [], Writer.copied

    def timed(model, batch):
        calls.append(time.perf_counter())
        return objective(model, batch)

    def copying(writer, state):
        writer.wait()  # for the checkpoint before: not at all, where steps outlast the writing
        start = time.perf_counter()
        state = copied(writer, state)
        copies.append(time.perf_counter() - start)
        return state

    Writer.copied = copying
    loader = Tokens(given.batch, given.context, model.vocab_size)
    options = {"steps": given.steps, "save_every": 4, "keep": 1, "log_every": 1000, "progress": False, "device": "cpu"}
    optimizer = AdamW(model.parameters())
    Trainer(model, optimizer, timed, loader, run_dir=folder, background_saves=background, **options).fit()
    Writer.copied = copied
    lasted = [b - a for a, b in pairwise(calls)][1:]  # the first makes the optimizer's state
    with_save = [seconds for step, seconds in enumerate(lasted, 2) if step % 4 == 0]
    return [seconds for step, seconds in enumerate(lasted, 2) if step % 4 != 0], with_save, copies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--small", action="store_true", help="a model in miniature, to see that it works")
    given = parser.parse_args()
    for background in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            usual, with_save, copies = steps(background, given, Path(folder) / "run")
        middle = median(usual)
        print(
            f"{'in the background' if background else 'training waits':<18}"
            f"step {middle:.2f} s ({min(usual):.2f} to {max(usual):.2f}), with a checkpoint "
            f"{', '.join(f'{seconds:.2f}' for seconds in with_save)} s: at most {max(with_save) / middle - 1:+.0%}; "
            f"copying the state {', '.join(f'{seconds:.2f}' for seconds in copies)} s"
        )


if __name__ == "__main__":
    main()
