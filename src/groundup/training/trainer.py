"""The trainer: batches in, a trained model and a run folder out; it stops and resumes at any step, to the bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from math import ceil, inf, isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groundup.checks import choice, integer, real, require
from groundup.optimizers import clip_by_global_norm_
from groundup.training import distributed
from groundup.training.batches import Batches, death_of_a_worker, seekable, to_device, windows
from groundup.training.checkpoint import Checkpoints
from groundup.training.device import choose_device, choose_precision
from groundup.training.interrupts import interruptions
from groundup.training.logs import say
from groundup.training.mistakes import batches_of_one_explained, check_parts, loss_and_count
from groundup.training.objective import Objective
from groundup.training.position import Position, Result, non_finite, replay
from groundup.training.record import NoRecord, Record
from groundup.training.runs import claim, holds_run, locked, plain, written_to
from groundup.training.threads import choice_of_threads, restored_threads, use_saved_threads
from groundup.training.writer import TROUBLE, Writer

SMALLEST_SCALE = 2.0**-24  # float16: a loss scale that falls this far is chasing gradients that are truly infinite


class Trainer:
    """Minimise an objective over a loader's batches, for `epochs` or for `steps` (exactly one of them).

    objective      (model, batch) -> (loss summed over units, number of units); see `supervised`
    train          a loader with `len`, `iter` and `seek(epoch, batch)`; see `Batches`
    evaluate       model -> metrics by name; called in eval mode, without gradients
    scheduler      a learning-rate scheduler, stepped after each optimizer step
    accumulate     batches per optimizer step: the gradient is that of their union, unequal sizes included (layers
                   that look across a batch, as BatchNorm does, still see each batch alone)
    clip_norm      the largest global norm of the gradient
    precision      "float32", or autocast to "bfloat16" or "float16" (with loss scaling)
    config         a dataclass or dict that describes the run; resuming with another one is an error, except that
                   `epochs` and `steps` in it may change, as the Trainer's own may: the run then goes on to the new
                   length, with the learning rates that a scheduler made for this length has from here on
    log_every, evaluate_every, save_every    in optimizer steps; None is the end of each epoch
    keep           how many of the newest checkpoints stay, beside the best one
    monitor, mode  the metric, and whether "max" or "min" of it is best
    patience       stop after so many evaluations in a row without a new best
    parallel       "ddp" or "fsdp": how the processes share the work, where torchrun started several
    recompute      keep only the inputs of the model's blocks, and compute their insides again: less memory, more time
    background_saves    write checkpoints beside training, from a copy of the state on the host

    On a CPU, a step of fewer than 100 million operations runs in one thread: the first step counts them, `fit` says so,
    and a resumed run uses the number of threads it was started with. Set OMP_NUM_THREADS, or call
    `torch.set_num_threads`, to choose yourself. Import `groundup` before `torch`: then the threads of larger steps let
    other programs run while they wait (OMP_WAIT_POLICY=passive); otherwise training is slow on a busy machine.

    `fit` trains. Ctrl-C and SIGTERM save and leave; a NaN raises `NonFiniteLoss` before the weights are touched.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        train: Batches,
        *,
        run_dir: str | Path,
        evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
        scheduler: Any = None,
        epochs: int | None = None,
        steps: int | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        precision: str = "float32",
        compile: bool = False,
        device: str | torch.device | None = None,
        config: Any = None,
        seed: int = 0,
        log_every: int | None = 10,
        evaluate_every: int | None = None,
        save_every: int | None = None,
        keep: int = 3,
        monitor: str = "accuracy",
        mode: str = "max",
        patience: int | None = None,
        progress: bool = True,
        parallel: str | None = None,
        background_saves: bool = False,
        recompute: bool = False,
    ) -> None:
        distributed.join()
        require((epochs is None) != (steps is None), f"give epochs or steps, one of them: got {epochs=}, {steps=}")
        require(patience is None or evaluate is not None, "patience counts evaluations: give evaluate as well")
        intervals = {"log_every": log_every, "evaluate_every": evaluate_every, "save_every": save_every}
        for name, value in ({"epochs": epochs, "steps": steps, "patience": patience} | intervals).items():
            if value is not None:
                integer(name, value)
        check_parts(model, optimizer, objective, scheduler)
        self.train = distributed.shared(seekable("train", train))
        self.accumulate = integer("accumulate", accumulate)
        self.total_steps = steps or epochs * ceil(len(train) / accumulate)  # type: ignore[operator]
        require(clip_norm is None or real("clip_norm", clip_norm) > 0, f"clip_norm must be positive, got {clip_norm}")
        self.clip_norm = clip_norm
        self.device = distributed.local_device(choose_device(device))
        self.parallel = distributed.choose_parallel(parallel)
        self.precision = choose_precision(precision, self.device)
        self.model = model if self.parallel == "fsdp" else model.to(self.device)
        self.optimizer, self.scheduler = optimizer, scheduler
        self.background_saves, self.recompute = background_saves, recompute
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        self.objective, self.evaluate = objective, evaluate
        self.run_dir, self.seed, self.compile, self.progress = Path(run_dir), seed, compile, progress
        self.log_every, self.evaluate_every, self.save_every = log_every, evaluate_every, save_every
        self.monitor, self.mode, self.patience = monitor, choice("mode", mode, ("max", "min")), patience
        self.checkpoints = Checkpoints(self.run_dir / "checkpoints", integer("keep", keep))
        # config.json: what the run is for, and every setting of ours that its bits depend on. Its length is not one of
        # them: a finished run may be resumed with more epochs.
        self.config = {
            "config": {} if config is None else plain(config),
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
        """Train to the end and return the `Result`; with `resume`, go on from the newest good checkpoint.

        Raises `RunFolderError` (not writable, in use, taken), `ValueError` (another configuration), `CheckpointError`
        (none can be written, or none read), `DataError` (a batch cannot be read) and `NonFiniteLoss`.
        """
        with ExitStack() as stack:
            going_on = distributed.on_main(lambda: self._claimed(stack, resume))
            self.team = distributed.parallelized(
                self.parallel, self.model, self.optimizer, self.device, self.compile, self.recompute, self.precision
            )
            stack.enter_context(restored_threads())
            self.position, generators = self._restore() if going_on else (Position(), None)
            begins = self.position.step == 0
            self.choice = choice_of_threads(self.device, self.compile, self.progress) if begins else nullcontext()
            if already := self._finished():
                say(f"{self.run_dir} was finished before; nothing to do")
            else:
                self._train(generators)
            self.team.finish()
            at, early = self.position, self.position.step < self.total_steps
            result = Result(
                self.run_dir, at.step, at.epoch, at.seconds, at.units, at.best, at.best_step, at.final, early
            )
            if self.progress or already:
                say(f"{self.run_dir}: {result}")
            return result

    def _claimed(self, stack: ExitStack, resume: bool) -> bool:
        """Hold the folder until `stack` is left; whether it holds a run to go on with."""
        stack.enter_context(locked(self.run_dir))
        with written_to(self.run_dir):
            resume = resume or distributed.begun_by_this_job(self.run_dir)
            if resume or not holds_run(self.run_dir):
                distributed.mark(self.run_dir)
            going_on = claim(self.run_dir, self.config, resume)
            self.checkpoints.clean()
        if resume and not going_on:
            say(f"{self.run_dir} holds no run to resume: starting one")
        return going_on

    def _restore(self) -> tuple[Position, dict[str, Any] | None]:
        """Everything from the newest good checkpoint but the random states, which are handed on."""
        step = distributed.on_main(self.checkpoints.newest)
        if step is None:
            say(f"{self.run_dir} was stopped before its first checkpoint: starting again")
            return Position(), None
        rates = [group["lr"] for group in self.optimizer.param_groups]
        state = self.team.load(self.checkpoints.path(step))
        position = Position(**state["position"])
        distributed.on_main(lambda: self.checkpoints.set_aside_after(position.step))
        if self.scheduler is not None:
            length = state.get("total_steps", self.total_steps)
            if self.total_steps == length or self.total_steps <= position.step:
                self.scheduler.load_state_dict(state["scheduler"])
            else:
                replay(self.scheduler, rates, state["scheduler"]["last_epoch"])
                which = "the learning rate is that of the new length's schedule"
                say(f"{self.total_steps} steps instead of {length}: {which}")
        self.scaler.load_state_dict(state["scaler"])
        use_saved_threads(state["machine"]["threads"])
        distributed.compare(state["machine"], self.device)
        return position, state["random"]

    def _save(self) -> None:
        at = self.position
        at.log_bytes = self.record.log_bytes()
        state = {
            "position": asdict(at),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "total_steps": self.total_steps,
            "random": distributed.gathered_states(),
            "machine": distributed.machine(self.device),
        }
        self.team.save(self.checkpoints, self.writer, at.step, state, at.best_step, self.record)

    def _finished(self) -> bool:
        at = self.position
        return at.step >= self.total_steps or (self.patience is not None and at.stale >= self.patience)

    def _train(self, generators: dict[str, Any] | None) -> None:
        at = self.position
        started = time.perf_counter() - at.seconds
        self.record: Record | NoRecord = NoRecord(at)
        distributed.on_main(self._open_record)  # where it fails, nobody waits for the first step
        self.writer = Writer(self.background_saves)
        try:
            # Only now: whatever was imported and opened up to here may have drawn random numbers.
            if generators is None:
                distributed.seed_ranks(self.seed)
            else:
                distributed.restore_states(generators, self.seed, at.step)
            with interruptions() as interrupted:
                self.model.train()
                while not self._finished():
                    for window in windows(self.train, at.epoch, at.batch, self.accumulate):
                        save = self._advance(window)
                        self.team.warm(self.writer)
                        leave = distributed.any_rank(self.writer.trouble() or interrupted())
                        if leave == TROUBLE:
                            distributed.written(self.writer)
                        at.seconds = time.perf_counter() - started
                        if save or leave or self._finished():
                            self._save()
                        if self._finished():
                            break
                        if leave:
                            how = f"--resume, or fit(resume=True), in {self.run_dir}"
                            say(f"stopped and saved at step {at.step}; go on with {how}")
                            distributed.written(self.writer)
                            raise SystemExit(128 + leave)
                distributed.written(self.writer)
        except RuntimeError as error:
            if (death := death_of_a_worker(error)) is not None:
                raise death from error
            raise
        finally:
            self.writer.close()
            self.record.close()

    def _open_record(self) -> None:
        unit = getattr(self.objective, "unit", "units")
        with written_to(self.run_dir):
            self.record = Record(self.run_dir, self.position, self.total_steps, unit, self.progress)

    def _advance(self, window: list[Any]) -> bool:
        """One optimizer step, its log and its evaluation; whether a checkpoint is due."""
        at, lr = self.position, float(self.optimizer.param_groups[0]["lr"])
        with self.choice, batches_of_one_explained(at.step + 1, at.epoch + 1):
            total, count, norm = self._step(window)
        self.choice = nullcontext()
        at.step, at.batch, at.units = at.step + 1, at.batch + len(window), at.units + count
        at.loss_since_log, at.units_since_log = at.loss_since_log + total, at.units_since_log + count
        epoch, epoch_ends, last = at.epoch + 1, at.batch == len(self.train), at.step == self.total_steps

        def due(every: int | None) -> bool:
            return last or (epoch_ends if every is None else at.step % every == 0)

        self.record.progress.advance(epoch, total / count, count)
        if due(self.log_every):
            self.record.training(epoch, at.loss_since_log / at.units_since_log, lr, norm)
            at.loss_since_log, at.units_since_log = 0.0, 0
        improved = False
        if self.evaluate is not None and due(self.evaluate_every):
            metrics = self._evaluated()
            improved = at.judge(metrics, self.monitor, self.mode)
            self.record.evaluation(epoch, metrics)
        elif epoch_ends:
            self.record.progress.milestone()
        if epoch_ends:
            at.epoch, at.batch = epoch, 0
        return improved or due(self.save_every)

    def _step(self, window: list[Any]) -> tuple[float, int, float]:
        """g = Σ over batches ∇total / Σ count, clipped; then the optimizer and the scheduler. Loss sum, count, ‖g‖."""
        total: Tensor = torch.zeros((), device=self.device)
        count: int | Tensor = 0
        self.optimizer.zero_grad(set_to_none=True)
        for number, batch in enumerate(window, 1):
            with self.team.micro_batch(last=number == len(window)):
                with self._autocast():
                    loss, units = loss_and_count(self.team.computed(self.objective, to_device(batch, self.device)))
                self.scaler.scale(loss).backward()
            total, count = total + loss.detach(), count + units
        total, count = distributed.sum_over_ranks(total, count)
        self.scaler.unscale_(self.optimizer)
        self.team.mean_(count)
        norm = clip_by_global_norm_(self.team.parameters, inf if self.clip_norm is None else self.clip_norm).item()
        # The step's one wait for the device: a NaN has to be seen before the weights are touched.
        summed, counted = total.item(), int(count)
        require(counted > 0, f"the objective counted no units in step {self.position.step + 1}: nothing to learn from")
        overflow = self.scaler.is_enabled() and isfinite(summed) and self.scaler.get_scale() > SMALLEST_SCALE
        if not isfinite(summed) or not (isfinite(norm) or overflow):
            raise non_finite(summed / counted, norm, self.position, self.optimizer, self.checkpoints)
        self.scaler.step(self.optimizer)  # float16 overflow: left out, and the scale is lowered
        self.scaler.update()
        if self.scheduler is not None and isfinite(norm):
            self.scheduler.step()
        return summed, counted, norm

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)

    def _evaluated(self) -> dict[str, float]:
        assert self.evaluate is not None
        self.model.eval()
        with torch.no_grad(), self._autocast():
            metrics = self.team.evaluated(self.evaluate)
        self.model.train()
        return metrics
