"""Normalisation over the batch, and over the features of a sample.

Ioffe and Szegedy 2015, Batch Normalization, arXiv:1502.03167;  Ba et al. 2016, Layer Normalization, arXiv:1607.06450;
Zhang and Sennrich 2019, Root Mean Square Layer Normalization, arXiv:1910.07467;

`groundup.functional.norm` has the equations as code.

Legend: N batch, C channels (num_features), μ and σ² the mean and the biased variance: in batch normalisation over all
axes except the channels, in layer normalisation over the last axes (normalized_shape).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.norm import batch_norm, layer_norm, rms_norm

_IOFFE = "Ioffe and Szegedy 2015, Batch Normalization, arXiv:1502.03167"


@component(
    3,
    "batch normalisation of inputs of any rank",
    paper=_IOFFE,
    oracle="torch.nn.BatchNorm1d on (-1, C)",
    example="BatchNorm(64)(torch.randn(1, 64, 16))",
)
class BatchNorm(nn.Module):
    """y = γ (x - μ) / √(σ² + ε) + β for each channel of x (N, C, ...), with any number of axes

    In training mode μ and σ² are those of the batch (algorithm 1), and the running statistics move towards μ and the
    unbiased variance:  running ← (1 - momentum) running + momentum · new.  In eval mode they replace μ and σ².

    Why: with mean 0 and variance 1 in every layer, gradients neither vanish nor explode with depth, and larger learning
    rates work. Why the running statistics: at test time the result for a sample must not depend on the other samples of
    its batch.

    Args:
        num_features: C.
        eps: ε, because the variance of a channel may be 0.
        momentum: how far the running statistics move; None makes them the average over all batches seen.
        affine: learn γ (`weight`, initialised to 1) and β (`bias`, initialised to 0); they can undo the normalisation.
        track_running_stats: False keeps no running statistics and uses those of the batch in eval mode too.
        device, dtype: of parameters and buffers.

    Differs from the paper in notation: its momentum of 0.9 is momentum=0.1 here and in PyTorch.

    Example:
        >>> BatchNorm(1, affine=False)(torch.tensor([[1.0], [3.0]]))
        tensor([[-1.0000],
                [ 1.0000]])
    """

    #: Version 2 of PyTorch's layout has num_batches_tracked; older files lack it.
    _version = 2
    #: The numbers of axes that x may have (empty = any from 2), and the layout that errors name.
    ranks: ClassVar[tuple[int, ...]] = ()
    layout: ClassVar[str] = "(N, C, ...)"

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_features = checks.integer("num_features", num_features, 0)
        self.eps = checks.real("eps", eps, 0.0)
        self.momentum = None if momentum is None else checks.real("momentum", momentum, 0.0, 1.0)
        self.affine = affine
        self.track_running_stats = track_running_stats
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        for name in ("weight", "bias"):
            self.register_parameter(name, nn.Parameter(torch.empty(num_features, **options)) if affine else None)
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, torch.empty(num_features, **options) if track_running_stats else None)
        count = torch.empty((), device=device, dtype=torch.int64) if track_running_stats else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1, and the count of batches to 0."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set γ to 1, β to 0, and reset the running statistics."""
        self.reset_running_stats()
        if self.weight is not None and self.bias is not None:
            init.constant_(self.weight, 1.0)
            init.constant_(self.bias, 0.0)

    def forward(self, x: Float[Tensor, "N C *rest"]) -> Float[Tensor, "N C *rest"]:
        if self.ranks and isinstance(x, Tensor) and x.dim() not in self.ranks:
            checks.rank("x", x, *self.ranks, layout=self.layout)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        return batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum or 0.0,
            self.eps,
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, metadata: Any, *rest: Any) -> None:
        key = prefix + "num_batches_tracked"
        if (metadata.get("version") or 1) < 2 and self.num_batches_tracked is not None and key not in state_dict:
            state_dict[key] = torch.tensor(0)  # PyTorch did not save it before version 2
        super()._load_from_state_dict(state_dict, prefix, metadata, *rest)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


@component(
    4,
    "batch normalisation of vectors and sequences",
    paper=_IOFFE,
    oracle="torch.nn.BatchNorm1d",
    example="BatchNorm1d(64)(torch.randn(1, 64))",
)
class BatchNorm1d(BatchNorm):
    """Batch normalisation of vectors (N, C) and of sequences (N, C, L)

    The statistics of a channel are taken over N and L: every place of a sequence is a sample of the same channel.

    Args: see `BatchNorm`. A drop-in for `torch.nn.BatchNorm1d`.

    Example:
        >>> BatchNorm1d(64)(torch.randn(8, 64, 10)).shape
        torch.Size([8, 64, 10])
    """

    ranks = (2, 3)
    layout = "(N, C) or (N, C, L)"


@component(
    5,
    "batch normalisation of images",
    paper=_IOFFE,
    oracle="torch.nn.BatchNorm2d",
    example="BatchNorm2d(64)(torch.randn(1, 64, 32, 32))",
)
class BatchNorm2d(BatchNorm):
    """Batch normalisation of images (N, C, H, W)

    The statistics of a channel are taken over N, H and W, because a convolution treats all pixels alike: normalising
    each pixel by its own statistics would undo that (section 3.2).

    Args: see `BatchNorm`. A drop-in for `torch.nn.BatchNorm2d`.

    Example:
        >>> BatchNorm2d(64)(torch.randn(8, 64, 32, 32)).shape
        torch.Size([8, 64, 32, 32])
    """

    ranks = (4,)
    layout = "(N, C, H, W)"


def to_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of the axes to normalise over; an int is the size of the last one."""
    sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    checks.require(len(sizes) > 0, "normalized_shape must have at least one axis, got ()")
    return tuple(checks.integer("normalized_shape", size) for size in sizes)


@component(
    6,
    "normalises the features of each sample to mean 0 and variance 1",
    paper="Ba et al. 2016, Layer Normalization, arXiv:1607.06450",
    oracle="torch.nn.LayerNorm",
    example="LayerNorm(64)(torch.randn(1, 10, 64))",
)
class LayerNorm(nn.Module):
    """y = g (x - μ) / √(σ² + ε) + b, with μ and σ² over the last axes of each sample

    Why not over the batch: sequences have different lengths, and a batch of one has no statistics. Layer normalisation
    is the same in training and at test time, for any batch.

    Args:
        normalized_shape: sizes of the axes that μ and σ² are taken over; an int is the size of the last axis.
        eps: ε.
        elementwise_affine: learn g (`weight`, initialised to 1) and b (`bias`, initialised to 0), of that shape.
        bias: False leaves out b alone.
        device, dtype: of the parameters.

    x and y (..., *normalized_shape). A drop-in for `torch.nn.LayerNorm`.

    Example:
        >>> y = LayerNorm(64)(torch.randn(2, 10, 64))
        >>> bool(y.mean(-1).abs().max() < 1e-5)
        True
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = to_shape(normalized_shape)
        self.eps = checks.real("eps", eps, 0.0)
        self.elementwise_affine = elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            value = torch.empty(self.normalized_shape, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, None if value is None else nn.Parameter(value))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set g to 1 and b to 0."""
        if self.weight is not None:
            init.constant_(self.weight, 1.0)
        if self.bias is not None:
            init.constant_(self.bias, 0.0)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


@component(
    7,
    "normalises the features of each sample to root mean square 1",
    paper="Zhang and Sennrich 2019, Root Mean Square Layer Normalization, arXiv:1910.07467",
    oracle="torch.nn.RMSNorm",
    example="RMSNorm(64)(torch.randn(1, 10, 64))",
)
class RMSNorm(nn.Module):
    """y = g x / RMS(x) with RMS(x) = √(Σ x_i² / n + ε), over the last axes of each sample

    Why: of layer normalisation, the paper finds, rescaling is what helps; subtracting the mean costs time and changes
    little.

    Args:
        normalized_shape: sizes of the axes that RMS is taken over, n in all; an int is the size of the last axis.
        eps: ε; None is the machine epsilon of the type that the statistics are kept in, as in PyTorch. The paper has
            none.
        elementwise_affine: learn g (`weight`, initialised to 1).
        device, dtype: of the parameter.
        partial: the share p of the features that RMS is estimated from, the first ⌈n p⌉ (pRMSNorm, section 4; the paper
            uses 0.0625).

    x and y (..., *normalized_shape). A drop-in for `torch.nn.RMSNorm`.

    Example:
        >>> RMSNorm(2, elementwise_affine=False)(torch.tensor([3.0, 4.0]))
        tensor([0.8485, 1.1314])
    """

    weight: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        partial: float = 1.0,
    ) -> None:
        super().__init__()
        self.normalized_shape = to_shape(normalized_shape)
        self.eps = None if eps is None else checks.real("eps", eps, 0.0)
        self.elementwise_affine = elementwise_affine
        self.partial = checks.real("partial", partial, 0.0, 1.0)
        checks.require(partial > 0, f"partial must be a share of the features in (0, 1], got {partial}")
        value = torch.empty(self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", None if value is None else nn.Parameter(value))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set g to 1."""
        if self.weight is not None:
            init.constant_(self.weight, 1.0)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps, self.partial)

    def extra_repr(self) -> str:
        text = f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return text if self.partial == 1 else text + f", partial={self.partial}"
