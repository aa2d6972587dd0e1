"""Normalisation: statistics in float32 or wider whatever the input's type, the result in the input's type.

Why normalise: while the layers below a unit learn, the scale and the offset of its inputs move. With mean 0 and
variance 1 at every layer, gradients neither vanish nor explode with depth, larger learning rates work, and the initial
weights matter less.

Legend: N batch, C channels, m the number of values in one channel of the batch; n the number of features of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.backend import fused_by
from groundup.functional.precision import widen
from groundup.kernels import norm as kernels
from groundup.rules import norms as rules


@fused_by(kernels.batch_norm, rules.batch_norm)
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
    """y = γ (x - μ) / √(σ² + ε) + β for each channel

    Training: μ = Σ x / m and σ² = Σ (x - μ)² / m over the batch (algorithm 1), and the running statistics move towards
    μ and the unbiased variance m / (m - 1) σ² (algorithm 2, step 10), in place:

        running ← (1 - momentum) running + momentum · new

    Otherwise μ and σ² are the running statistics.

    Why two modes: at test time a sample's result must not depend on the other samples of its batch. Why γ and β: they
    let a layer undo the normalisation where that is best. Why ε: the variance of a channel may be 0.

    Args:
        x: any number of axes after the channels.
        running_mean, running_var: the running statistics, changed in place when training; None keeps none.
        weight: γ; None is 1.
        bias: β; None is 0.
        training: use the statistics of the batch.
        momentum: how far the running statistics move.
        eps: ε.

    Ioffe and Szegedy 2015, Batch Normalization, arXiv:1502.03167.

    Example:
        >>> batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    axes = [0, *range(2, x.dim())]
    column = (-1, *[1] * (x.dim() - 2))  # C, 1, ..., 1: one number per channel
    wide = widen(x)

    if training or running_mean is None or running_var is None:
        mean = wide.mean(axes)
        # A large offset makes the rounding of the first mean visible; the mean of the rest removes it.
        mean = mean + (wide - mean.view(column)).detach().mean(axes)
        centred = wide - mean.view(column)
        var = (centred * centred).mean(axes)
        m = x.numel() // max(x.size(1), 1)
        if running_mean is not None and running_var is not None and m > 0:
            with torch.no_grad():
                running_mean.mul_(1 - momentum).add_(momentum * mean)
                running_var.mul_(1 - momentum).add_(momentum * var * m / (m - 1))
    else:
        var = running_var.to(wide.dtype)
        centred = wide - running_mean.to(wide.dtype).view(column)

    y = centred * (var + eps).rsqrt().view(column)
    if weight is not None:
        y = y * weight.view(column)
    if bias is not None:
        y = y + bias.view(column)
    return y.to(x.dtype)


@fused_by(kernels.layer_norm, rules.layer_norm)
def layer_norm(
    x: Float[Tensor, "*shape"],
    normalized_shape: Sequence[int],
    weight: Float[Tensor, "..."] | None = None,
    bias: Float[Tensor, "..."] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "*shape"]:
    """y = g (x - μ) / √(σ² + ε) + b, with μ = Σ x / n and σ² = Σ (x - μ)² / n for each sample on its own

    Why not over the batch: a sequence has its own length, and a batch of one its own statistics. Layer normalisation is
    the same in training and at test time, for any batch.

    Args:
        x: samples; statistics are taken over the last axes.
        normalized_shape: the sizes of these axes; n is their product.
        weight: g; None is 1.
        bias: b; None is 0.
        eps: ε.

    Ba et al. 2016, Layer Normalization, arXiv:1607.06450, equation 3.

    Example:
        >>> layer_norm(torch.tensor([1.0, 3.0]), [2])
        tensor([-1.0000,  1.0000])
    """
    axes = list(range(-len(normalized_shape), 0))
    wide = widen(x)
    mean = wide.mean(axes, keepdim=True)
    # As in batch_norm: the mean of the rest removes the rounding of the first mean.
    mean = mean + (wide - mean).detach().mean(axes, keepdim=True)
    centred = wide - mean
    var = (centred * centred).mean(axes, keepdim=True)
    y = centred * (var + eps).rsqrt()
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y.to(x.dtype)


@fused_by(kernels.rms_norm, rules.rms_norm)
def rms_norm(
    x: Float[Tensor, "*shape"],
    normalized_shape: Sequence[int],
    weight: Float[Tensor, "..."] | None = None,
    eps: float | None = None,
    partial: float = 1.0,
) -> Float[Tensor, "*shape"]:
    """y = g x / RMS(x) with RMS(x) = √(Σ x_i² / n + ε)

    Why: of layer normalisation, the paper finds, rescaling is what helps; recentring costs time and changes little.

    Args:
        x: samples; the mean is taken over the last axes.
        normalized_shape: the sizes of these axes; n is their product.
        weight: g; None is 1.
        eps: ε; None is the machine epsilon of the type that the statistics are kept in. The paper has none. Inside the
            root it also bounds the gradient of small activations.
        partial: the share p of the features that RMS is estimated from, the first ⌈n p⌉ (pRMSNorm; the paper's p is
            6.25 %).

    Zhang and Sennrich 2019, Root Mean Square Layer Normalization, arXiv:1910.07467, equation 4 and section 4.

    Example:
        >>> rms_norm(torch.tensor([3.0, 4.0]), [2])
        tensor([0.8485, 1.1314])
    """
    n, wide = prod(normalized_shape), widen(x)
    k = ceil(n * partial - 1e-9)  # the rounding of n p must not add one
    squares = (wide * wide).flatten(-len(normalized_shape))[..., :k]
    mean_square = squares.mean(-1).view(*x.shape[: -len(normalized_shape)], *[1] * len(normalized_shape))
    y = wide * (mean_square + (torch.finfo(wide.dtype).eps if eps is None else eps)).rsqrt()
    return (y if weight is None else y * weight).to(x.dtype)
