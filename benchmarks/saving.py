"""Measure how long saving a checkpoint of GPT-2 (124 million parameters and AdamW's state) delays training.

    python -m benchmarks.saving [--steps 33] [--batch 2] [--context 512] [--small] [--out benchmarks]

A step lasts from one call of the objective to the next. Every sixteenth step ends with a checkpoint, written first
while training waits, then in the background: all steps during the writing count as steps with a checkpoint. The results
are in saving.json, and at the end of results.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks.report import environment, saving_markdown, write
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW
from groundup.training import Trainer, language_model
from groundup.training.checkpoint_writer import CheckpointWriter

EVERY = 16  # steps from one checkpoint to the next


class Tokens:
    """A loader that always gives the same random batch."""

    def __init__(self, batch: int, context: int, vocab_size: int) -> None:
        self.batch = torch.randint(0, vocab_size, (batch, context))

    def __len__(self) -> int:
        return 1000

    def seek(self, epoch: int, batch: int = 0) -> None: ...

    def __iter__(self):
        for _ in range(len(self)):
            yield self.batch, self.batch


def steps(background: bool, given: argparse.Namespace, folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds of steps without a checkpoint, of steps with one, and of copying the state."""
    model = GPT2(context=given.context, dropout=0.0, **({"embed_dim": 96, "num_layers": 2} if given.small else {}))
    objective, calls, copies, copy_state = language_model(), [], [], CheckpointWriter.copy_state

    def record_step(model, batch):
        pending = trainer.writer.pending
        calls.append((time.perf_counter(), pending is not None and not pending.done()))
        return objective(model, batch)

    def record_copy(writer, state):
        writer.wait()  # for the previous checkpoint; no wait if steps take longer than the writing
        start = time.perf_counter()
        state = copy_state(writer, state)
        copies.append(time.perf_counter() - start)
        return state

    CheckpointWriter.copy_state = record_copy
    loader = Tokens(given.batch, given.context, model.vocab_size)
    how = {"steps": given.steps, "save_every": EVERY, "keep": 1, "background_saves": background, "run_dir": folder}
    quiet = {"log_every": 1000, "progress": False, "device": "cpu"}
    trainer = Trainer(model, AdamW(model.parameters()), record_step, loader, **how, **quiet)
    trainer.fit()
    CheckpointWriter.copy_state = copy_state
    usual, with_save = [], []
    for step, ((start, writing), (end, _)) in enumerate(pairwise(calls), 1):
        if step > 1:  # the first step creates the optimizer's state
            (with_save if writing or step % EVERY == 0 else usual).append(end - start)
    return usual, with_save, copies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=33)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--small", action="store_true", help="a tiny model, to see that it works")
    parser.add_argument("--out", type=Path, help="folder of saving.json (default: benchmarks/; none with --small)")
    given = parser.parse_args()
    rows = []
    for who, background, limit in (("training waits", False, "–"), ("in the background", True, "+10%")):
        with tempfile.TemporaryDirectory() as folder:
            usual, with_checkpoint, copies = steps(background, given, Path(folder) / "run")
        rows.append({"who": who, "limit": limit, "usual": usual, "with_checkpoint": with_checkpoint, "copies": copies})
    measured = {
        "what": f"GPT-2 {'in miniature' if given.small else '124M'} with AdamW, {given.batch} × {given.context} tokens",
        "machine": environment(torch.device("cpu")),
        "date": date.today().isoformat(),
        "rows": rows,
    }
    print(saving_markdown(measured))
    out = given.out or (None if given.small else Path(__file__).parent)
    if out is not None:
        (out / "saving.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
        write(out)


if __name__ == "__main__":
    main()
