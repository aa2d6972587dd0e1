"""The trainer: takes batches, returns a trained model and a run folder; it stops and resumes at any step, to the bit.

The training step itself is in step.py; read that first. Here is the bookkeeping around it: epochs, evaluation, logs,
checkpoints, and resumption.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from groundup.checks import choice, integer, real, require
from groundup.training import distributed
from groundup.training.batches import Batches, check_loader, explain_dead_worker, group_batches
from groundup.training.checkpoint import Checkpoints
from groundup.training.checkpoint_writer import CheckpointWriter
from groundup.training.device import choose_device, choose_precision, describe_machine, report_other_machine
from groundup.training.distributed.replicated import choose_strategy
from groundup.training.logs import NoLog, RunLog, say
from groundup.training.objectives import Objective
from groundup.training.part_checks import check_parts, explain_batches_of_one
from groundup.training.run_folder import (
    claim_folder,
    explain_disk_errors,
    holds_run,
    is_restart_of,
    lock_folder,
    mark,
    to_plain,
)
from groundup.training.state import NonFiniteLoss, Result, TrainingState, replay_schedule
from groundup.training.step import TrainingStep, record_signals
from groundup.training.threads import choose_threads, restore_threads, use_saved_threads

#: Agreed by all processes in place of a signal's number, which is smaller, when a checkpoint could not be written.
SAVE_FAILED = 1000


class Trainer(TrainingStep):
    """Minimises an objective over the batches of a loader, for `epochs` or for `steps`.

    What to train:
        model: the model.
        optimizer: an optimizer of its parameters.
        objective: function (model, batch) -> (loss summed over units, number of units); see `make_objective`.
        train: a loader with `len`, `iter` and `seek(epoch, batch)`; see `Batches`.
        scheduler: a learning-rate scheduler, stepped after each optimizer step.

    How long (exactly one of the first two):
        epochs: number of passes over `train`.
        steps: number of optimizer steps.
        patience: stop after so many evaluations in a row without a new best.

    How a step is computed:
        accumulate: batches per optimizer step. The gradient is that of their union, also with unequal sizes. Layers
            that use statistics of a batch, such as BatchNorm, still see each batch alone.
        clip_norm: largest global norm of the gradient; None does not clip.
        precision: "float32", or autocast to "bfloat16" or "float16" (with loss scaling).
        compile: compile the model with `torch.compile`.
        recompute: recompute the activations of blocks in the backward pass: less memory, more time.
        device: where to train; by default the GPU if there is one.
        parallel: "ddp" or "fsdp", with several processes started by torchrun.
        seed: seed of the random numbers that training draws, such as dropout masks.

    What is evaluated, logged and saved (intervals in optimizer steps; None is the end of each epoch):
        run_dir: the folder of the run.
        config: a dataclass or dict that describes the run. A run is only resumed with the same one, except that
            `epochs` and `steps` in it may differ, as the Trainer's own may: the run then goes on to the new length,
            with the learning rates of a scheduler of that length.
        evaluate: function model -> metrics by name; called in eval mode, without gradients.
        monitor, mode: the metric that decides which weights are best, and whether "max" or "min" of it is.
        log_every, evaluate_every, save_every: the intervals.
        keep: how many of the newest checkpoints stay, in addition to the best one.
        background_saves: write checkpoints in a thread, from a copy of the state in host memory.
        progress: print the progress.

    On a CPU, a step of fewer than 100 million operations uses one thread: the first step counts them, `fit` prints the
    choice, and a resumed run uses as many threads as before. Set OMP_NUM_THREADS, or call `torch.set_num_threads`, to
    choose yourself. Import `groundup` before `torch`: threads then let other programs run while they wait
    (OMP_WAIT_POLICY=passive); otherwise training is slow on a busy machine.

    Ctrl-C and SIGTERM save a checkpoint and end the program; a NaN raises `NonFiniteLoss` before weights change.

    Example:
        >>> from tempfile import mkdtemp
        >>> from groundup.data import Loader
        >>> from groundup.training import Trainer, make_objective
        >>> data = torch.utils.data.TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        >>> model = nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> objective = make_objective(nn.functional.mse_loss)
        >>> loader = Loader(data, 4)
        >>> Trainer(model, optimizer, objective, loader, run_dir=mkdtemp(), epochs=2, progress=False).fit().steps
        4
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        train: Batches,
        *,
        scheduler: Any = None,
        # ---- how long
        epochs: int | None = None,
        steps: int | None = None,
        patience: int | None = None,
        # ---- how a step is computed
        accumulate: int = 1,
        clip_norm: float | None = None,
        precision: str = "float32",
        compile: bool = False,
        recompute: bool = False,
        device: str | torch.device | None = None,
        parallel: str | None = None,
        seed: int = 0,
        # ---- what is evaluated, logged and saved
        run_dir: str | Path,
        config: Any = None,
        evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
        monitor: str = "accuracy",
        mode: str = "max",
        log_every: int | None = 10,
        evaluate_every: int | None = None,
        save_every: int | None = None,
        keep: int = 3,
        background_saves: bool = False,
        progress: bool = True,
    ) -> None:
        distributed.join()
        require((epochs is None) != (steps is None), f"give epochs or steps, one of them: got {epochs=}, {steps=}")
        require(patience is None or evaluate is not None, "patience counts evaluations: give evaluate as well")
        counts = {"epochs": epochs, "steps": steps, "patience": patience, "accumulate": accumulate, "keep": keep}
        counts |= {"log_every": log_every, "evaluate_every": evaluate_every, "save_every": save_every}
        for name, value in counts.items():
            if value is not None or name in ("accumulate", "keep"):
                integer(name, value)
        require(clip_norm is None or real("clip_norm", clip_norm) > 0, f"clip_norm must be positive, got {clip_norm}")
        check_parts(model, optimizer, objective, scheduler)
        check_loader("train", train)
        mode = choice("mode", mode, ("max", "min"))
        strategy = choose_strategy(parallel, model, optimizer, choose_device(device))
        super().__init__(strategy, objective, scheduler, clip_norm, choose_precision(precision, strategy.device))
        self.model, self.train = model, strategy.shard_loader(train)
        self.total_steps = steps or epochs * ceil(len(train) / accumulate)  # type: ignore[operator]
        self.patience, self.accumulate, self.seed = patience, accumulate, seed
        self.compile, self.recompute = compile, recompute
        self.run_dir, self.evaluate, self.monitor, self.mode = Path(run_dir), evaluate, monitor, mode
        self.log_every, self.evaluate_every, self.save_every = log_every, evaluate_every, save_every
        self.checkpoints = Checkpoints(self.run_dir / "checkpoints", keep)
        self.writer = CheckpointWriter(background_saves)
        self.progress, self.log = progress, NoLog()
        self.first_step: AbstractContextManager[Any] = nullcontext()  # chooses the number of threads
        # config.json: the purpose of the run and every setting that its bits depend on, which its length is not.
        self.config = {
            "config": {} if config is None else to_plain(config),
            "trainer": {
                "seed": seed,
                "batches_per_epoch": len(train),
                "accumulate": accumulate,
                "clip_norm": clip_norm,
                "precision": precision,
                "log_every": log_every,
                "evaluate_every": evaluate_every,
                "monitor": monitor,
                "mode": mode,
            },
        }

    def fit(self, resume: bool = False) -> Result:
        """Train to the end and return the `Result`.

        Args:
            resume: go on from the newest undamaged checkpoint of the run folder.

        Raises `RunFolderError` (not writable, in use, taken), `ValueError` (another configuration), `CheckpointError`
        (none can be written, or none read), `DataError` (a batch cannot be read) and `NonFiniteLoss`.
        """
        with ExitStack() as stack:
            has_run = self.strategy.on_main(lambda: self._claim_folder(stack, resume))
            self.strategy.prepare(self.compile, self.recompute, self.precision)
            stack.enter_context(restore_threads())
            self.state, random_state = self._restore() if has_run else (TrainingState(), None)
            is_new = self.state.step == 0
            self.first_step = choose_threads(self.device, self.compile, self.progress) if is_new else nullcontext()
            if was_finished := self.is_finished():
                say(f"{self.run_dir} was finished before; nothing to do")
            else:
                self._train(random_state)
            self.strategy.finish()
            result = self.state.summarize(self.run_dir, self.total_steps)
            if self.progress or was_finished:
                say(f"{self.run_dir}: {result}")
            return result

    def is_finished(self) -> bool:
        """Return whether all steps are made, or `patience` is exhausted."""
        return self.state.step >= self.total_steps or (self.patience is not None and self.state.stale >= self.patience)

    def _claim_folder(self, stack: ExitStack, resume: bool) -> bool:
        """Lock the run folder until `stack` is closed; return whether it holds a run to resume."""
        stack.enter_context(lock_folder(self.run_dir))
        with explain_disk_errors(self.run_dir):
            resume = resume or is_restart_of(self.run_dir)
            if resume or not holds_run(self.run_dir):
                mark(self.run_dir)
            has_run = claim_folder(self.run_dir, self.config, resume)
            self.checkpoints.clean()
        if resume and not has_run:
            say(f"{self.run_dir} holds no run to resume: starting one")
        return has_run

    def _train(self, random_state: dict[str, Any] | None) -> None:
        """Make all steps that remain."""
        state = self.state
        start = time.perf_counter() - state.seconds
        self.log = NoLog()
        self.strategy.on_main(self._open_log)  # if it fails, it fails in all processes, before the first step
        try:
            # Not earlier: imports and opening of files may draw random numbers.
            if random_state is None:
                self.strategy.seed(self.seed)
            else:
                self.strategy.restore_random_state(random_state, self.seed, state.step)
            with record_signals() as received_signal:
                self.model.train()
                while not self.is_finished():
                    for batches in group_batches(self.train, state.epoch, state.batch, self.accumulate):
                        is_save_due = self._advance(batches)
                        if self.strategy.is_writer:
                            self.writer.allocate(lambda: self.strategy.checkpoint_content({}))
                        stop = self.strategy.largest(SAVE_FAILED if self.writer.has_failed() else received_signal())
                        if stop == SAVE_FAILED:
                            self.strategy.wait_for_checkpoint(self.writer)  # raises
                        state.seconds = time.perf_counter() - start
                        if is_save_due or stop or self.is_finished():
                            self._save()
                        if self.is_finished():
                            break
                        if stop:
                            how = f"--resume, or fit(resume=True), in {self.run_dir}"
                            say(f"stopped and saved at step {state.step}; go on with {how}")
                            self.strategy.wait_for_checkpoint(self.writer)
                            raise SystemExit(128 + stop)
                self.strategy.wait_for_checkpoint(self.writer)
        except RuntimeError as error:
            if (death := explain_dead_worker(error)) is not None:
                raise death from error
            raise
        finally:
            self.writer.close()
            self.log.close()

    def _open_log(self) -> None:
        unit, state = getattr(self.objective, "unit", "units"), self.state
        with explain_disk_errors(self.run_dir):
            self.log = RunLog(self.run_dir, state.step, state.log_bytes, self.total_steps, unit, self.progress)

    def _advance(self, batches: list[Any]) -> bool:
        """Make one step, log and evaluate if due; return whether a checkpoint is due."""
        state, lr = self.state, float(self.optimizer.param_groups[0]["lr"])
        try:
            with self.first_step, explain_batches_of_one(state.step + 1, state.epoch + 1):
                loss, units, norm = self.train_step(batches)
        except NonFiniteLoss as error:
            saved = self.checkpoints.steps()
            newest = self.checkpoints.path(saved[-1]) if saved else None
            kept = f"the newest checkpoint is {newest}" if newest else "no checkpoint was saved"
            raise NonFiniteLoss(f"{error}; {kept}") from None
        self.first_step = nullcontext()
        state.step, state.batch, state.units = state.step + 1, state.batch + len(batches), state.units + units
        state.loss_since_log, state.units_since_log = state.loss_since_log + loss, state.units_since_log + units
        epoch, ends_epoch, is_last = state.epoch + 1, state.batch == len(self.train), state.step == self.total_steps

        def is_due(every: int | None) -> bool:
            return is_last or (ends_epoch if every is None else state.step % every == 0)

        self.log.advance(epoch, loss / units, units)
        if is_due(self.log_every):
            self.log.log_training(state.step, epoch, state.loss_since_log / state.units_since_log, lr, norm)
            state.loss_since_log, state.units_since_log = 0.0, 0
        improved = False
        if self.evaluate is not None and is_due(self.evaluate_every):
            with torch.no_grad(), self.autocast():
                metrics = self.strategy.evaluate(self.evaluate)
            improved = state.record_evaluation(metrics, self.monitor, self.mode)
            self.log.log_evaluation(state.step, epoch, metrics)
        elif ends_epoch:
            self.log.end_epoch()
        if ends_epoch:
            state.epoch, state.batch = epoch, 0
        return improved or is_due(self.save_every)

    def _save(self) -> None:
        """Save a checkpoint, now or in the background."""
        step, best = self.state.step, self.state.best_step
        self.state.log_bytes = self.log.length()
        state = {
            "position": asdict(self.state),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "total_steps": self.total_steps,
            "random": self.strategy.random_state(),
            "machine": describe_machine(self.device, self.strategy.processes),
        }

        def save() -> None:
            content = self.writer.copy_state(self.strategy.checkpoint_content(state))

            def write() -> None:
                self.log.sync()  # first: the checkpoint contains the length of the log
                self.strategy.write_checkpoint(self.checkpoints, step, content, best, self.writer.pause)

            self.writer.write(write)

        self.strategy.on_writers(save)

    def _restore(self) -> tuple[TrainingState, dict[str, Any] | None]:
        """Load the newest undamaged checkpoint; return the state of the run and the random states to restore later."""
        step = self.strategy.on_main(self.checkpoints.find_newest)
        if step is None:
            say(f"{self.run_dir} was stopped before its first checkpoint: starting again")
            return TrainingState(), None
        rates = [group["lr"] for group in self.optimizer.param_groups]
        saved = self.strategy.load(self.checkpoints.path(step))
        state = TrainingState(**saved["position"])
        self.strategy.on_main(lambda: self.checkpoints.set_aside_after(state.step))
        if self.scheduler is not None:
            length = saved.get("total_steps", self.total_steps)
            if self.total_steps == length or self.total_steps <= state.step:
                self.scheduler.load_state_dict(saved["scheduler"])
            else:
                replay_schedule(self.scheduler, rates, saved["scheduler"]["last_epoch"])
                schedule = "the learning rate is that of the new length's schedule"
                say(f"{self.total_steps} steps instead of {length}: {schedule}")
        self.scaler.load_state_dict(saved["scaler"])
        use_saved_threads(saved["machine"]["threads"])
        report_other_machine(saved["machine"], describe_machine(self.device, self.strategy.processes))
        return state, saved["random"]
