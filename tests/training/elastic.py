"""Run by test_elastic.py under torchrun: train, and die in the first starts; the last start ends the run.

torchrun … elastic.py FOLDER KILLS SEED EPOCHS
"""

import os
import random
import signal
import sys
from pathlib import Path

import torch

torch.set_num_threads(1)
sys.modules["tensorboard"] = None

from training_toy import make_trainer, weights  # noqa: E402

import groundup.plots  # noqa: E402
from groundup.training import run  # noqa: E402
from groundup.training.trainer import Trainer  # noqa: E402

groundup.plots.curves = lambda *_, **__: None


def arm(kills, seed):
    """In the first `kills` starts one of the processes dies, at some sync, rename or optimizer step."""
    start, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ["RANK"])
    drawn = random.Random(1000 * seed + start)
    victim, event = drawn.randrange(int(os.environ["WORLD_SIZE"])), drawn.randrange(30)
    if start >= kills or rank != victim:
        return
    if rank > 0:
        event //= 6  # it writes nothing: its steps alone are counted
    count = 0

    def watched(function):
        def act(*args, **kwargs):
            nonlocal count
            if count == event:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return function(*args, **kwargs)

        return act

    os.fsync, os.rename, Trainer.train_step = watched(os.fsync), watched(os.rename), watched(Trainer.train_step)


def main():
    folder, kills, seed, epochs = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    one = make_trainer(folder / "run", epochs=epochs)
    arm(kills, seed)
    one.fit()
    (folder / f"{torch.distributed.get_rank()}.txt").write_text(repr(weights(one.model)))


if __name__ == "__main__":
    run(main)
