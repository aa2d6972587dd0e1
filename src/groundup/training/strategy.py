"""Training in one process. Several processes override it: see distributed/replicated.py and sharded.py.

The Trainer asks its strategy for everything that is different with several processes: the loss of a batch, sums over
processes, the mean of gradients, evaluation, checkpoints and random states. Here each is the plain operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from groundup.training.batches import Batches
from groundup.training.checkpoint import MODEL, SHARDS, STATE, Checkpoints
from groundup.training.checkpoint_files import Pause, read_model
from groundup.training.checkpoint_writer import CheckpointWriter
from groundup.training.device import compile_model
from groundup.training.objectives import Objective
from groundup.training.recompute import recompute_blocks
from groundup.training.seeds import derive_seed, random_state, restore_random_state, seed_everything

T = TypeVar("T")


class SingleProcess:
    """Trains the whole model in this process.

    Args:
        model: the model to train; `prepare` may compile it, `finish` leaves it as it was, with the trained weights.
        optimizer: its optimizer.
        device: where to train. The model is moved there.

    Example:
        >>> from groundup.training import make_objective
        >>> model = nn.Linear(2, 1)
        >>> strategy = SingleProcess(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.device("cpu"))
        >>> strategy.prepare()
        >>> batch = torch.ones(3, 2), torch.ones(3, 1)
        >>> loss, units = strategy.compute_loss(make_objective(nn.functional.mse_loss), batch)
        >>> units
        3
    """

    processes = 1

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self.model, self.optimizer, self.device = model.to(device), optimizer, device
        self.running_model: Any = model  # compiled, if asked for
        self._undo_recompute: Callable[[], None] = lambda: None

    def prepare(self, compile: bool = False, recompute: bool = False, precision: torch.dtype = torch.float32) -> None:
        """Prepare the model for training.

        Args:
            compile: use `torch.compile`, where it works.
            recompute: recompute activations in the backward pass: see `recompute_blocks`.
            precision: dtype of autocast.
        """
        self._undo_recompute = recompute_blocks(self.model) if recompute else lambda: None
        self.running_model = compile_model(self.model, self.device) if compile else self.model

    def finish(self) -> None:
        """Leave the trained weights in the given model, and the model as it was."""
        self._undo_recompute()

    # ---- one training step

    def shard_loader(self, loader: Batches) -> Batches:
        """Return a loader of the part of each batch that this process trains on."""
        return loader

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters that the optimizer updates."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def compute_loss(self, objective: Objective, batch: Any) -> tuple[Tensor, int | Tensor]:
        """Return (loss summed over the units of the batch, number of units)."""
        return objective(self.running_model, batch)

    def accumulate(self, is_last: bool) -> AbstractContextManager[Any]:
        """Return the context for the forward and backward pass of one batch; `is_last` of those of a step."""
        return nullcontext()

    def sum(self, loss: Tensor, units: int | Tensor) -> tuple[Tensor, int | Tensor]:
        """Return the loss and the number of units, each summed over all processes."""
        return loss, units

    def divide_gradients(self, units: int | Tensor) -> None:
        """Divide the gradients of the summed loss by the number of units of all processes."""
        torch._foreach_div_([p.grad for p in self.parameters if p.grad is not None], units)

    def evaluate(self, evaluate: Callable[[nn.Module], Mapping[str, float]]) -> dict[str, float]:
        """Return the metrics of the model in eval mode."""
        self.model.eval()
        metrics = evaluate(self.model)
        self.model.train()
        return {name: float(value) for name, value in metrics.items()}

    # ---- checkpoints

    @property
    def is_writer(self) -> bool:
        """True if this process writes checkpoints."""
        return True

    def on_writers(self, act: Callable[[], object]) -> None:
        """Call `act` in the processes that write checkpoints; if it raises, all processes raise."""
        act()

    def checkpoint_content(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return what `write_checkpoint` writes: model, optimizer and `state`."""
        return {"model": self.model.state_dict(), "state": state | {"optimizer": self.optimizer.state_dict()}}

    def write_checkpoint(
        self, checkpoints: Checkpoints, step: int, content: dict[str, Any], best: int | None, pause: Pause | None
    ) -> None:
        """Write a checkpoint: see `Checkpoints.save`."""
        checkpoints.save(step, content["model"], content["state"], best, pause)

    def load(self, checkpoint: Path) -> dict[str, Any]:
        """Load model and optimizer from the folder of a checkpoint and return the rest of the state."""
        if (checkpoint / SHARDS).exists():
            from groundup.training.distributed.sharded_checkpoint import load_checkpoint  # slow to import

            return load_checkpoint(checkpoint, self.model, self.optimizer)
        read_model(self.model, checkpoint / MODEL)
        state = torch.load(checkpoint / STATE, weights_only=True, map_location="cpu")
        self.optimizer.load_state_dict(state["optimizer"])
        return state

    def wait_for_checkpoint(self, writer: CheckpointWriter) -> None:
        """Wait until the latest checkpoint is written; raise in all processes if it could not be."""
        writer.wait()

    # ---- random numbers

    def seed(self, seed: int) -> None:
        """Seed the random generators for a new run."""
        seed_everything(seed)

    def random_state(self) -> dict[str, Any]:
        """Return the state of the random generators, for a checkpoint."""
        return random_state()

    def restore_random_state(self, state: dict[str, Any], seed: int, step: int) -> None:
        """Restore the state of the random generators, if the run was one of as many processes; else derive new ones."""
        states = state.get("ranks", [state])
        if len(states) == 1:
            restore_random_state(states[0])
        else:
            seed_everything(derive_seed(seed, 0, step))

    # ---- agreement of all processes

    def on_main(self, act: Callable[[], T]) -> T:
        """Call `act` in the main process and return its result in all."""
        return act()

    def largest(self, number: int) -> int:
        """Return the largest of the numbers of all processes."""
        return number
