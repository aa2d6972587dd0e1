"""Run by test_kill.py in a process of its own: train, kill by SIGKILL, resume, compare the bytes.

    python kill_sweep.py train FOLDER KILL_AT     start or resume the run in FOLDER, to be killed at that event
    python kill_sweep.py finish FOLDER            resume it to its end, and compare with an undisturbed one
    python kill_sweep.py sweep FOLDER STRIDE      kill and resume at every STRIDE-th event in turn, in forked processes

An event is one act upon the disk (sync, rename, removal, a half-written line or file) or one optimizer step.
"""

import hashlib
import os
import random
import signal
import sys
import traceback
from pathlib import Path

import torch
import torch._dynamo  # imported by the first optimizer: here once, not in every child

torch.set_num_threads(1)  # also because a process that has started OpenMP threads cannot fork
sys.modules["tensorboard"] = None  # a second of import in every process, and nothing to compare in what it writes

from training_toy import make_trainer, objective, weights  # noqa: E402

import groundup.plots  # noqa: E402
from groundup.training import checkpoint_files, logs  # noqa: E402
from groundup.training.trainer import Trainer  # noqa: E402

groundup.plots.curves = lambda *_, **__: None


def arm(kill_at):
    """Count events from here on; the process dies at number `kill_at`, before or halfway through the act."""
    count = 0

    def event(halfway=lambda: None):
        nonlocal count
        if count == kill_at:
            halfway()
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def watched(function, halfway=lambda *_, **__: None):
        def act(*args, **kwargs):
            event(lambda: halfway(*args, **kwargs))
            return function(*args, **kwargs)

        return act

    def half_line(log, record):
        log.file.write(b'{"step": 1')
        log.file.flush()

    def half_file(tensors, output, metadata):
        output.write(b"\x40\0\0\0\0\0\0\0{")
        output.flush()

    for name in ("fsync", "rename", "unlink", "rmdir"):
        setattr(os, name, watched(getattr(os, name)))
    checkpoint_files.save_tensors = watched(checkpoint_files.save_tensors, half_file)
    logs.MetricsLog.write = watched(logs.MetricsLog.write, half_line)
    Trainer.train_step = watched(Trainer.train_step)


def jittered(model, batch):
    total, count = objective(model, batch)
    return total * (1 + 0.01 * random.random()), count


def train(run_dir, resume, kill_at=-1):
    """Train to the end, or to the kill; a digest of the final weights and the log, in bytes."""
    trainer = make_trainer(run_dir, objective=jittered)
    arm(kill_at)
    trainer.fit(resume=resume)
    digest = hashlib.sha256(repr(sorted(weights(trainer.model).items())).encode())
    digest.update((Path(run_dir) / "metrics.jsonl").read_bytes())
    return digest.hexdigest()


def forked(run_dir, resume, kill_at=-1):
    """`train` in a child: its digest, or None when it was killed."""
    answer, question = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(question, train(run_dir, resume, kill_at).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    os.close(question)
    _, status = os.waitpid(child, 0)
    with os.fdopen(answer) as pipe:
        digest = pipe.read()
    if os.WIFSIGNALED(status):
        return None
    assert os.WEXITSTATUS(status) == 0, f"{run_dir} failed, see above"
    return digest


def sweep(folder, stride):
    """Kill a run at one event after the other, and resume each; the number of kills."""
    undisturbed = forked(folder / "undisturbed", resume=False)
    kill_at = 0
    while forked(folder / f"{kill_at}", resume=False, kill_at=kill_at) is None:
        resumed = forked(folder / f"{kill_at}", resume=True)
        assert resumed == undisturbed, f"killed at event {kill_at}: other bits than the undisturbed run"
        kill_at += stride
    return kill_at // stride


def finish(folder):
    """End the run that `train` was killed in; its digest must be that of an undisturbed one."""
    resumed, undisturbed = forked(folder / "killed", resume=True), forked(folder / "undisturbed", resume=False)
    assert resumed == undisturbed, "resumed: other bits than the undisturbed run"


if __name__ == "__main__":
    command, folder = sys.argv[1], Path(sys.argv[2])
    if command == "train":
        train(folder / "killed", (folder / "killed").exists(), int(sys.argv[3]))
    elif command == "finish":
        finish(folder)
    else:
        sys.stdout.write(f"killed {sweep(folder, int(sys.argv[3]))}\n")
