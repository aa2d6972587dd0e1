"""Device, precision and compilation. If a machine lacks what was asked for, one line says so and training goes on."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from groundup.checks import choice
from groundup.training.logs import say

PRECISIONS = ("float32", "bfloat16", "float16")


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return the given device; for None, or a GPU that is missing, the GPU if there is one, else the CPU."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        say(f"no CUDA device here for device={str(device)!r}: training on the CPU")
        return torch.device("cpu")
    return chosen


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of autocast for a name in `PRECISIONS`, or the nearest one that `device` has."""
    dtype: torch.dtype = getattr(torch, choice("precision", precision, PRECISIONS))
    if dtype is torch.float16 and device.type != "cuda":
        say(f"float16 training needs a CUDA device, not {device.type}: computing in bfloat16")
        dtype = torch.bfloat16
    if dtype is torch.bfloat16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        say("this GPU has no bfloat16: computing in float32")
        return torch.float32
    if dtype is torch.bfloat16 and device.type == "cpu" and not _has_wide_vectors():
        say("this processor has no AVX-512: bfloat16 takes many times as long as float32 here")
    return dtype


def _has_wide_vectors() -> bool:
    """Return whether oneDNN has bfloat16 products for this x86 processor; True for other processors."""
    capabilities = torch.cpu.get_capabilities()
    return capabilities.get("architecture") != "x86_64" or bool(capabilities.get("avx512_bw"))


def can_compile(device: torch.device) -> bool:
    """Return whether `torch.compile` works here; print the reason if it does not."""
    try:  # a model is compiled by its first call, too late to go on without: try a small function first
        torch.compile(lambda x: x * 2 + 1)(torch.ones(2, device=device))
    except Exception as error:  # any error of the toolchain; those of the model's own graph are raised later
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = lines[1] if lines[0].endswith("raised:") and len(lines) > 1 else lines[0]
        say(f"torch.compile does not work here ({reason}): training uncompiled")
        return False
    return True


def compile_model(model: nn.Module, device: torch.device) -> nn.Module:
    """Return `torch.compile(model)`, or the model itself if nothing can be compiled here."""
    return torch.compile(model) if can_compile(device) else model  # type: ignore[return-value]


def describe_machine(device: torch.device, processes: int = 1) -> dict[str, Any]:
    """Return everything that the last bits of a sum depend on."""
    here = {"torch": str(torch.__version__), "device": device.type, "threads": torch.get_num_threads()}
    return here if processes == 1 else here | {"processes": processes}


def report_other_machine(then: dict[str, Any], now: dict[str, Any]) -> None:
    """Print how the machine differs from that on which a checkpoint was saved; both as `describe_machine` returns."""
    then, now = {"processes": 1} | then, {"processes": 1} | now
    if changes := [f"{name} ({then[name]}, now {now[name]})" for name in then if then[name] != now[name]]:
        say(f"resuming with another {', '.join(changes)}: the numbers may differ in their last bits")
