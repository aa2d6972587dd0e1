"""The weights of a checkpoint, of whatever kind, as one file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from groundup.training.checkpoint import MODEL, SHARDS, CheckpointError, Checkpoints, damage, read_tensors


def export(run_dir: str | Path, path: str | Path, step: int | None = None) -> None:
    """Write the weights of a run's checkpoint, the newest or that of `step`, as one safetensors file."""
    checkpoints = Checkpoints(Path(run_dir) / "checkpoints")
    step = checkpoints.newest() if step is None else step
    if step is None or (fault := damage(checkpoints.path(step))) is not None:
        raise CheckpointError(
            f"{run_dir} holds no checkpoint" if step is None else f"the checkpoint of {step}: {fault}"
        )
    folder = checkpoints.path(step)
    if (folder / SHARDS).exists():
        from groundup.training.distributed.shards import read_shards, saved_shapes  # whole runs do without

        shapes = saved_shapes(folder / SHARDS / "model")
        tensors = {name: torch.empty(shape, dtype=dtype) for name, (shape, dtype) in shapes.items()}
        read_shards(folder / SHARDS / "model", tensors)
    else:
        tensors = read_tensors(folder / MODEL)
    save_file({name: value.clone() for name, value in tensors.items()}, path, metadata={"format": "pt"})
