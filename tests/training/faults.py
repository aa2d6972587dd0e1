"""Runs that fail, alone or in two processes; test_faults.py reads what they leave.

    faults.py FOLDER, with torchrun's RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT

Each process writes the exit code, or the words it ends with, of the runs that cannot write their folder; then the data
of the last process fails in the middle of an epoch.
"""

import os
import signal
import sys
from pathlib import Path

import torch

torch.set_num_threads(1)
sys.modules.setdefault("tensorboard", None)

from torch import nn  # noqa: E402

import groundup.plots  # noqa: E402
from groundup.data import Loader  # noqa: E402
from groundup.training import Trainer, make_objective, run, seed_everything  # noqa: E402


class Rows(torch.utils.data.Dataset):
    """24 rows, of which one cannot be read, or is the death of who reads it: in batches of 4 it lies in the fifth."""

    def __init__(self, fault=None):
        self.fault = fault
        self.x = torch.randn(24, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def __len__(self):
        return 24

    def batch(self, indices):
        if 19 in indices and self.fault == "raises":
            raise ValueError("row 19 is torn\nin two lines")
        if 19 in indices and self.fault == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        return self.x[indices], indices % 2


def trainer(run_dir, fault=None, num_workers=1):
    seed_everything(3)
    model = nn.Linear(4, 2).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    objective = make_objective(nn.functional.cross_entropy)
    loader = Loader(Rows(fault), 4, num_workers=num_workers)
    settings = {"epochs": 2, "log_every": 1, "save_every": 1, "device": "cpu", "progress": False}
    return Trainer(model, optimizer, objective, loader, run_dir=run_dir, **settings)


def unwritable(folder):
    """Folders that not even root can write: below a file, and with a folder where the first file, or the log, goes."""
    (folder / "file").touch()
    for name, inside in (("claim", ".tmp-config.json"), ("log", "metrics.jsonl")):
        (folder / name / inside).mkdir(parents=True, exist_ok=True)
    return {"below": folder / "file" / "run", "claim": folder / "claim", "log": folder / "log"}


def main():
    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    for name, run_dir in unwritable(folder).items():
        try:
            run(lambda run_dir=run_dir: trainer(run_dir).fit())
        except SystemExit as end:
            (folder / f"{name}-{rank}.txt").write_text(str(end.code))
    run(lambda: trainer(folder / "run", "raises" if rank == int(os.environ["WORLD_SIZE"]) - 1 else None).fit())


if __name__ == "__main__":
    groundup.plots.curves = lambda *_, **__: None
    main()
