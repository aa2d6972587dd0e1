"""Normalisation: statistics in float32 or wider whatever the input's type, the result in the input's type.

Legend: N batch, C channels, m the number of values in one channel of the batch; n the number of features of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import norm as kernels


def _check_batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> None:
    checks.floating("x", x)
    if x.dim() < 2:
        raise ValueError(f"x must have shape (N, C, ...), got {x.dim()} axes: {tuple(x.shape)}")
    channels = x.size(1)
    for name, value in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if value is not None and value.numel() != channels:
            raise ValueError(
                f"x must have {value.numel()} channels (axis 1), as {name} has, got {x.size(1)}: shape {tuple(x.shape)}"
            )
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must be given together, or both be None")
    if training:
        if x.numel() == x.size(1):
            raise ValueError(
                f"x must have more than one value per channel when training, got shape {tuple(x.shape)}: "
                "use a larger batch, or eval()"
            )
    elif running_mean is None:
        raise ValueError("running_mean and running_var are needed when not training")


@fused_by(kernels.batch_norm, check=_check_batch_norm)
def batch_norm(
    x: Float[Tensor, "N C *rest"],
    running_mean: Float[Tensor, " C"] | None,
    running_var: Float[Tensor, " C"] | None,
    weight: Float[Tensor, " C"] | None = None,
    bias: Float[Tensor, " C"] | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Float[Tensor, "N C *rest"]:
    """y = γ (x - μ) / √(σ² + ε) + β for each channel; γ is `weight`, β is `bias`.

    Training: μ = Σ x / m and σ² = Σ (x - μ)² / m over the batch (Ioffe and Szegedy 2015, arXiv:1502.03167,
    algorithm 1), and the running statistics move towards μ and the unbiased variance m / (m - 1) σ² (algorithm 2,
    step 10):  running ← (1 - momentum) running + momentum · new,  in place.
    Otherwise μ and σ² are the running statistics.
    """
    axes = [0, *range(2, x.dim())]
    column = (-1, *[1] * (x.dim() - 2))  # (C, 1, ..., 1): one number a channel
    wide = _as_wide(x)

    if training:
        mean = wide.mean(axes)
        # A large offset makes the rounding of a first mean visible; the mean of what it leaves takes that out.
        mean = mean + (wide - mean.view(column)).detach().mean(axes)
        centred = wide - mean.view(column)
        var = (centred * centred).mean(axes)
        m = x.numel() // max(x.size(1), 1)
        if running_mean is not None and running_var is not None and m > 0:
            with torch.no_grad():
                running_mean.mul_(1 - momentum).add_(momentum * mean)
                running_var.mul_(1 - momentum).add_(momentum * var * m / (m - 1))
    else:
        assert running_mean is not None  # held by the check
        assert running_var is not None
        var = running_var.to(wide.dtype)
        centred = wide - running_mean.to(wide.dtype).view(column)

    y = centred * (var + eps).rsqrt().view(column)
    if weight is not None:
        y = y * weight.view(column)
    if bias is not None:
        y = y + bias.view(column)
    return y.to(x.dtype)


def _check_features(x: Tensor, normalized_shape: Sequence[int], **parameters: Tensor | None) -> None:
    checks.floating("x", x)
    shape = tuple(normalized_shape)
    checks.require(len(shape) > 0, "normalized_shape must have at least one axis, got ()")
    if tuple(x.shape[-len(shape) :]) != shape:
        raise ValueError(f"x must end in the axes {shape} (normalized_shape), got shape {tuple(x.shape)}")
    for name, value in parameters.items():
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(f"{name} must have the shape {shape} (normalized_shape), got {tuple(value.shape)}")


def _check_layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> None:
    _check_features(x, normalized_shape, weight=weight, bias=bias)


@fused_by(kernels.layer_norm, check=_check_layer_norm)
def layer_norm(
    x: Float[Tensor, "*shape"],
    normalized_shape: Sequence[int],
    weight: Float[Tensor, "..."] | None = None,
    bias: Float[Tensor, "..."] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "*shape"]:
    """y = g (x - μ) / √(σ² + ε) + b for each sample on its own; g is `weight`, b is `bias`.

    μ = Σ x / n and σ² = Σ (x - μ)² / n over the n features in the last axes, `normalized_shape`; the same in training
    and at test time. Ba et al. 2016, Layer Normalization, arXiv:1607.06450, equation 3.
    """
    axes = list(range(-len(normalized_shape), 0))
    wide = _as_wide(x)
    mean = wide.mean(axes, keepdim=True)
    # As in batch_norm: the mean of what is left takes out the rounding of the first.
    mean = mean + (wide - mean).detach().mean(axes, keepdim=True)
    centred = wide - mean
    var = (centred * centred).mean(axes, keepdim=True)
    y = centred * (var + eps).rsqrt()
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y.to(x.dtype)


def _check_rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    partial: float = 1.0,
) -> None:
    _check_features(x, normalized_shape, weight=weight)
    checks.require(0 < partial <= 1, f"partial must be a share of the features in (0, 1], got {partial}")


@fused_by(kernels.rms_norm, check=_check_rms_norm)
def rms_norm(
    x: Float[Tensor, "*shape"],
    normalized_shape: Sequence[int],
    weight: Float[Tensor, "..."] | None = None,
    eps: float | None = None,
    partial: float = 1.0,
) -> Float[Tensor, "*shape"]:
    """y = g x / RMS(x),  RMS(x) = √(Σ x_i² / n + ε) over the last axes, `normalized_shape`; g is `weight`.

    `partial` = p estimates RMS from the first k = ⌈n p⌉ features alone (pRMSNorm; the paper uses p = 6.25 %).
    eps=None is the machine epsilon of the type that the statistics are kept in.
    Zhang and Sennrich 2019, arXiv:1910.07467, equation 4 and section 4. The paper has no ε; inside the root, it also
    bounds the gradient of small activations.
    """
    n, wide = prod(normalized_shape), _as_wide(x)
    k = ceil(n * partial - 1e-9)  # not one more for the rounding of n p
    squares = (wide * wide).flatten(-len(normalized_shape))[..., :k]
    mean_square = squares.mean(-1).view(*x.shape[: -len(normalized_shape)], *[1] * len(normalized_shape))
    y = wide * (mean_square + (torch.finfo(wide.dtype).eps if eps is None else eps)).rsqrt()
    return (y if weight is None else y * weight).to(x.dtype)


def _as_wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
