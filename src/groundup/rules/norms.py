"""Rules of normalisation: statistics that can be taken, and the axes that they are taken over."""

from __future__ import annotations

from typing import Any

from groundup import checks


def batch_norm(call: Any) -> None:
    for name in ("running_mean", "running_var", "weight", "bias"):
        value = getattr(call, name)
        if value is not None and value.numel() != call.x.size(1):
            raise ValueError(
                f"x must have {value.numel()} channels (axis 1), as {name} has, got {call.x.size(1)}: "
                f"shape {tuple(call.x.shape)}"
            )
    if (call.running_mean is None) != (call.running_var is None):
        raise ValueError("running_mean and running_var must be given together, or both be None")
    if call.training:
        if call.x.numel() == call.x.size(1):
            raise ValueError(
                f"x must have more than one value per channel when training, got shape {tuple(call.x.shape)}: "
                "use a larger batch, or eval()"
            )
    elif call.running_mean is None:
        raise ValueError("running_mean and running_var are needed when not training")


def layer_norm(call: Any) -> None:
    """x ends in the axes `normalized_shape`, and so have weight and bias."""
    shape = tuple(call.normalized_shape)
    checks.require(len(shape) > 0, "normalized_shape must have at least one axis, got ()")
    if tuple(call.x.shape[-len(shape) :]) != shape:
        raise ValueError(f"x must end in the axes {shape} (normalized_shape), got shape {tuple(call.x.shape)}")
    for name in ("weight", "bias"):
        value = getattr(call, name, None)
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(f"{name} must have the shape {shape} (normalized_shape), got {tuple(value.shape)}")


def rms_norm(call: Any) -> None:
    layer_norm(call)
    checks.require(0 < call.partial <= 1, f"partial must be a share of the features in (0, 1], got {call.partial}")


def local_response_norm(call: Any) -> None:
    checks.integer("size", call.size)
    if call.x.dim() < 3:
        raise ValueError(
            f"x must have shape (N, C, ...) with at least 3 axes, got {call.x.dim()} axes: {tuple(call.x.shape)}"
        )
