"""Where and how to compute: device, precision, compilation. What a machine lacks is said in one line, and goes on."""

from __future__ import annotations

import torch
from torch import nn

from groundup.checks import choice
from groundup.training.logs import say

PRECISIONS = ("float32", "bfloat16", "float16")


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for; None is the GPU if there is one. A GPU that is not there becomes the CPU."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        say(f"no CUDA device here for device={str(device)!r}: training on the CPU")
        return torch.device("cpu")
    return chosen


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """The dtype that autocast computes in; float32 means no autocast."""
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
    """Whether oneDNN has products in bfloat16 for this x86 processor; on others it is not for us to say."""
    able = torch.cpu.get_capabilities()
    return able.get("architecture") != "x86_64" or bool(able.get("avx512_bw"))


def compiles(device: torch.device) -> bool:
    """Whether `torch.compile` works here; where it does not, one line says why."""
    try:  # a model compiles at its first call, too late to go on without: ask a small function first
        torch.compile(lambda x: x * 2 + 1)(torch.ones(2, device=device))
    except Exception as error:  # whatever the toolchain raises; errors of the model's own graph are not caught
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = lines[1] if lines[0].endswith("raised:") and len(lines) > 1 else lines[0]
        say(f"torch.compile does not work here ({reason}): training uncompiled")
        return False
    return True


def compiled(model: nn.Module, device: torch.device) -> nn.Module:
    """`torch.compile(model)`, or the model itself where nothing can be compiled."""
    return torch.compile(model) if compiles(device) else model  # type: ignore[return-value]
