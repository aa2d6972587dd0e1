"""How long saving GPT-2's checkpoint, 124 million parameters and AdamW's state, delays training.

    python -m benchmarks.saving [--steps 33] [--batch 2] [--context 512] [--small] [--out benchmarks]

A step lasts from one call of the objective to the next. Every sixteenth ends with a checkpoint, first written while
training waits, then in the background, for as many steps as it takes: they count among those with a checkpoint.
What is measured stands in saving.json, and at the end of results.md.
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
    objective, calls, copies, copied = language_model(), [], [], CheckpointWriter.copy_state

    def timed(model, batch):
        pending = trainer.writer.pending
        calls.append((time.perf_counter(), pending is not None and not pending.done()))
        return objective(model, batch)

    def copying(writer, state):
        writer.wait()  # for the checkpoint before: not at all, where steps outlast the writing
        start = time.perf_counter()
        state = copied(writer, state)
        copies.append(time.perf_counter() - start)
        return state

    CheckpointWriter.copy_state = copying
    loader = Tokens(given.batch, given.context, model.vocab_size)
    how = {"steps": given.steps, "save_every": EVERY, "keep": 1, "background_saves": background, "run_dir": folder}
    quiet = {"log_every": 1000, "progress": False, "device": "cpu"}
    trainer = Trainer(model, AdamW(model.parameters()), timed, loader, **how, **quiet)
    trainer.fit()
    CheckpointWriter.copy_state = copied
    usual, with_save = [], []
    for step, ((began, writing), (ended, _)) in enumerate(pairwise(calls), 1):
        if step > 1:  # the first makes the optimizer's state
            (with_save if writing or step % EVERY == 0 else usual).append(ended - began)
    return usual, with_save, copies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=33)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--small", action="store_true", help="a model in miniature, to see that it works")
    parser.add_argument("--out", type=Path, help="folder of saving.json; benchmarks/, if the model is whole")
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
