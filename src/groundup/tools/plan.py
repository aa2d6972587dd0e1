"""Estimate the memory, communication, computation and time of the training of a language model.

The numbers are taken from the model itself, built on the meta device, where it needs no memory: its parameters, its
multiply-adds at its context, and the activations that one block stores for the backward pass.

Sources: Adam's state, Rajbhandari et al. 2020 (ZeRO), arXiv:1910.02054, section 3; sharding, Zhao et al. 2023,
arXiv:2304.11277; activations, Korthikanti et al. 2022, arXiv:2205.05198; 20 tokens per parameter, Hoffmann et al. 2022,
arXiv:2203.15556.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import torch
from torch import nn

from groundup import checks
from groundup.tools.inspect import summary
from groundup.tools.text.model_folders import list_text_models
from groundup.training.recompute import find_blocks

#: Number of tokens with which a block's activations are measured: so few that the T × T scores of attention, which
#: fused kernels do not store, are small.
PROBE_TOKENS = 8
UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15}


@dataclass(frozen=True)
class Plan:
    """The estimate. Memory and communication are in bytes per device, `flops` of the whole training on all devices."""

    model: str
    parameters: int
    devices: int
    shards: int
    weights: float  # in float32
    gradients: float
    optimizer: float
    gathered: float  # copies in bfloat16, and whole blocks of a sharded model, while they compute
    activations: float
    communication: float  # sent by one device per optimizer step
    flops: float
    step_tokens: float
    seconds: float
    micro_batch: int
    recompute: bool

    @property
    def memory(self) -> float:
        """Bytes per device."""
        return self.weights + self.gradients + self.optimizer + self.gathered + self.activations


def size(text: str) -> float:
    """Return the number that a text means: "80G" (bytes) is 8 · 10¹⁰, "300B" (billions of tokens) 3 · 10¹¹.

    Example:
        >>> size("1.5K")
        1500.0
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*(?:e\d+)?)\s*([KMGBTP]?)B?\s*", text, re.IGNORECASE)
    value = float(match[1]) * UNITS[match[2].upper()] if match else inf
    checks.require(isfinite(value), f"a size is a number with K, M, G, T or P, as 80G; got {text!r}")
    return value


def layout(parallel: str, devices: int) -> int:
    """Return the number of devices that share one copy of the model: 1 for "ddp", all for "fsdp", 64 for "fsdp=64"."""
    match = re.fullmatch(r"ddp|fsdp(?:=(\d+))?", parallel)
    if match is None:
        raise ValueError(f"parallel must be ddp, fsdp, or fsdp=64 for groups of 64, got {parallel!r}")
    shards = 1 if parallel == "ddp" else int(match[1] or devices)
    checks.require(
        shards > 0 and devices % shards == 0, f"parallel={parallel!r}: {devices} devices are no whole number of groups"
    )
    return shards


def language_model(name: str) -> Any:
    """Return a model by its name, such as gpt2, gpt3-175b or llama2-70b, on the meta device, in bfloat16.

    The name is a class with a limited context and presets, in lower case, and one of its presets.
    """
    models, _ = list_text_models()
    families = {key.lower(): cls for key, cls in models.items() if hasattr(cls, "begin") and cls.presets}
    family, _, preset = name.lower().partition("-")
    cls = families[checks.choice("model", family, tuple(sorted(families)))]
    preset = name.lower() if name.lower() in cls.presets else preset or next(iter(cls.presets))
    return cls.preset(preset, device="meta", dtype=torch.bfloat16)


def measure_activations(model: Any) -> float:
    """Return the bytes per token that the first block of a model stores for the backward pass."""
    own = {value.untyped_storage()._cdata for value in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.Tensor] = {}
    inside: list[nn.Module] = []

    def keep(value: torch.Tensor) -> torch.Tensor:
        if inside and (place := value.untyped_storage()._cdata) not in own:
            kept[place] = value
        return value

    hooks = [
        model.blocks[0].register_forward_pre_hook(lambda block, _: inside.append(block)),
        model.blocks[0].register_forward_hook(lambda *_: inside.clear()),
    ]
    tokens = torch.zeros(1, min(PROBE_TOKENS, model.context), dtype=torch.long, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        out = model.train()(tokens, pre_logits=True)
    for hook in hooks:
        hook.remove()
    del out
    return sum(value.untyped_storage().nbytes() for value in kept.values()) / tokens.numel()


def plan(
    name: str,
    devices: int = 1,
    parallel: str = "ddp",
    tokens: float | int = 0,
    step_tokens: float | int = 0,
    micro_batch: int = 1,
    recompute: bool = False,
    peak: float | int = 312e12,
    efficiency: float = 0.4,
    model: nn.Module | None = None,
) -> Plan:
    """Estimate a training by AdamW, in bfloat16 with float32 weights.

    Args:
        name: a name that `language_model` takes.
        devices: number of devices.
        parallel: "ddp", "fsdp", or "fsdp=64" for groups of 64 devices: see `layout`.
        tokens: number of tokens to train on; 0 means 20 per parameter.
        step_tokens: number of tokens per optimizer step; 0 means one micro-batch on every device.
        micro_batch: number of sequences, as long as the model's context, on a device at once.
        recompute: store only the inputs of blocks, and compute the activations again in the backward pass.
        peak: floating-point operations per second of one device, by default those of an A100 in bfloat16.
        efficiency: the fraction of the peak that the training reaches.
        model: a model on the meta device, instead of the one called `name`.

    Example:
        >>> plan("gpt2").parameters
        124439808
    """
    shards = layout(parallel, checks.integer("devices", devices))
    checks.require(0 < checks.real("efficiency", efficiency) <= 1, f"efficiency must lie in (0, 1], got {efficiency}")
    checks.require(checks.real("peak", peak, 0.0) > 0, f"peak must be above 0, got {peak}")
    given: Any = language_model(name) if model is None else model
    count = sum(p.numel() for p in given.parameters())
    context = given.context
    micro_batch_tokens = checks.integer("micro_batch", micro_batch) * context
    tokens, step_tokens = float(tokens or 20 * count), float(step_tokens or micro_batch_tokens * devices)
    if step_tokens < micro_batch_tokens * devices:
        raise ValueError(
            f"step_tokens must be at least one micro-batch on every device, {micro_batch_tokens * devices:,}, got "
            f"{step_tokens:,.0f}"
        )
    rounds = max(1.0, step_tokens / (micro_batch_tokens * devices))  # micro-batches of one step

    forward = 2 * summary(given, torch.zeros(1, context, dtype=torch.long)).multiply_adds / context
    parts = [sum(p.numel() for p in block.parameters()) for block in find_blocks(given)] or [count]
    outside = count - sum(parts)
    block = measure_activations(given)
    stream = 2 * given.embed_dim  # bytes per token of a block's input
    token_bytes = len(parts) * stream + block if recompute else len(parts) * block

    # Sharded: the current block and the next one are whole; so is everything outside of blocks, with its gradients, all
    # the time. Replicated: autocast copies at least the weights of the largest part at a time.
    whole = 2.0 * (2 * max(parts) + 2 * outside) if shards > 1 else 2.0 * max(parts)
    share, replicas = (shards - 1) / shards, devices // shards
    # Weights for the forward pass, those of blocks again for the backward pass, and float32 gradients.
    gathering = rounds * share * (2 * count + 2 * sum(parts) + 4 * count)
    averaging = 2 * (replicas - 1) / replicas * 4 * count / shards
    work = (4 if recompute else 3) * forward * tokens
    return Plan(
        name,
        count,
        devices,
        shards,
        weights=4 * count / shards,
        gradients=4 * count / shards,
        optimizer=8 * count / shards,
        gathered=whole,
        activations=micro_batch_tokens * token_bytes,
        communication=gathering + averaging,
        flops=3 * forward * tokens,
        step_tokens=step_tokens,
        seconds=work / (devices * peak * efficiency),
        micro_batch=micro_batch,
        recompute=recompute,
    )


def report(plan: Plan, memory: float, tokens: float) -> list[str]:
    """Return the lines of `groundup plan`.

    Args:
        plan: the estimate.
        memory: bytes of one device. If the training does not fit, a line says what helps.
        tokens: number of tokens of the training.
    """

    def gigabytes(value: float) -> str:
        return f"{value / 1e9:>10,.2f} GB"

    rows = {
        "weights": plan.weights,
        "gradients": plan.gradients,
        "optimizer": plan.optimizer,
        "whole blocks": plan.gathered,
        "activations": plan.activations,
    }
    checks.require(memory > 0, f"memory must be above 0, got {memory}")
    fits = plan.memory <= memory
    verdict = f"{'fits' if fits else 'does not fit'} into {memory / 1e9:,.0f} GB"
    open_to_it = {
        "--parallel fsdp": plan.shards == 1 < plan.devices,
        "--recompute": not plan.recompute,
        "a smaller --micro-batch": plan.micro_batch > 1,
        "more --gpus to a copy": True,
    }
    remedy = "" if fits else f"{'':29}what helps: {', '.join(way for way, can in open_to_it.items() if can)}"
    steps = tokens / plan.step_tokens
    devices = f"{plan.devices:,} devices" if plan.devices > 1 else "1 device"
    copy = f", each copy of the model on {plan.shards:,}" if plan.shards > 1 else ""
    return [
        f"{plan.model}: {plan.parameters:,} parameters on {devices}{copy}",
        "",
        *(f"  {name:<14}{gigabytes(value)}" for name, value in rows.items()),
        f"  {'a device':<14}{gigabytes(plan.memory)}   {verdict}",
        remedy,
        f"  {'sent':<14}{gigabytes(plan.communication)}   a device and step of {plan.step_tokens:,.0f} tokens",
        f"  {'work':<14}{plan.flops:>10.3g} floating-point operations, of {tokens:,.3g} tokens in {steps:,.0f} steps",
        f"  {'time':<14}{plan.seconds / 86400:>10,.2f} days; {plan.seconds * plan.devices / 3600:,.0f} device hours",
    ]
