"""Initialisers: each fills a tensor in place, without recording gradients, and returns it.

Legend: fan_in and fan_out count the connections into and out of one unit of a weight (out, in, *kernel).
"""

from __future__ import annotations

from math import erf, prod, sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks

Mode = Literal["fan_in", "fan_out"]

#: Factors that keep the variance through a nonlinearity: He et al. 2015, section 2.2; tanh's 5/3 is empirical.
GAINS = {"linear": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": sqrt(2), "selu": 3 / 4}


def gain(nonlinearity: str, a: float = 0.0) -> float:
    """The factor for a nonlinearity; "leaky_relu" with negative slope `a` has √(2 / (1 + a²))."""
    if nonlinearity == "leaky_relu":
        return sqrt(2 / (1 + a**2))
    return GAINS[checks.choice("nonlinearity", nonlinearity, (*GAINS, "leaky_relu"))]


def fans(weight: Float[Tensor, "..."]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel)."""
    if weight.dim() < 2:
        raise ValueError(f"weight must have shape (out, in, ...), got {tuple(weight.shape)}")
    receptive = prod(weight.shape[2:])
    return weight.size(1) * receptive, weight.size(0) * receptive


@torch.no_grad()
def constant_(tensor: Float[Tensor, "*shape"], value: float) -> Float[Tensor, "*shape"]:
    """Every entry is `value`."""
    return tensor.fill_(value)


@torch.no_grad()
def uniform_(
    tensor: Float[Tensor, "*shape"],
    low: float = 0.0,
    high: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """U(low, high)."""
    return tensor.uniform_(low, high, generator=generator)


@torch.no_grad()
def normal_(
    tensor: Float[Tensor, "*shape"],
    mean: float = 0.0,
    std: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """N(mean, std²)."""
    return tensor.normal_(mean, std, generator=generator)


@torch.no_grad()
def trunc_normal_(
    tensor: Float[Tensor, "*shape"],
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """N(mean, std²) restricted to [low, high], by the inverse distribution function: x = mean + std √2 erf⁻¹(u)."""
    checks.require(low < high, f"low must be below high, got [{low}, {high}]")
    checks.require(std > 0, f"std must be positive, got {std}")
    u_low, u_high = (erf((bound - mean) / (std * sqrt(2))) for bound in (low, high))
    checks.require(u_low < u_high, f"[{low}, {high}] lies too far from mean {mean}: no probability is left in it")
    tensor.uniform_(u_low, u_high, generator=generator).erfinv_()
    return tensor.mul_(std * sqrt(2)).add_(mean).clamp_(low, high)


def xavier_uniform_(
    tensor: Float[Tensor, "*shape"], gain: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """U(-b, b), b = gain √(6 / (fan_in + fan_out)). Glorot and Bengio 2010, equation 16."""
    bound = gain * sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: Float[Tensor, "*shape"], gain: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """N(0, gain² · 2 / (fan_in + fan_out)). Glorot and Bengio 2010, equation 12."""
    return normal_(tensor, 0.0, gain * sqrt(2 / sum(fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = fans(tensor)[checks.choice("mode", mode, ("fan_in", "fan_out")) == "fan_out"]
    return gain(nonlinearity, a) / sqrt(max(fan, 1))  # a weight of no entries has nothing to scale


def kaiming_uniform_(
    tensor: Float[Tensor, "*shape"],
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """U(-b, b), b = √3 gain / √fan. He et al. 2015, arXiv:1502.01852, equations 10, 14 and 15."""
    bound = sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Float[Tensor, "*shape"],
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """N(0, gain² / fan). He et al. 2015, arXiv:1502.01852, equations 10, 14 and 15."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@torch.no_grad()
def orthogonal_(
    tensor: Float[Tensor, "*shape"], gain: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """gain · Q, with Q the orthonormal factor of a Gaussian matrix. Saxe et al. 2014, arXiv:1312.6120.

    A weight (out, in, *kernel) is taken as a matrix (out, in · kernel): its rows, or columns if they are fewer, are
    orthonormal. Fixing R's diagonal to be positive makes Q uniform over the orthogonal matrices.
    """
    fans(tensor)
    rows, columns = tensor.size(0), tensor.numel() // max(tensor.size(0), 1)
    gaussian = tensor.new_empty(max(rows, columns), min(rows, columns)).normal_(generator=generator)
    q, r = torch.linalg.qr(gaussian)
    q = q * r.diagonal().sign()
    return tensor.copy_((q if rows >= columns else q.mT).reshape(tensor.shape)).mul_(gain)


def inverse_sqrt_uniform_(
    tensor: Float[Tensor, "*shape"], fan: int, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """U(-1/√fan, 1/√fan): what PyTorch's linear, convolutional and recurrent layers begin with.

    For a weight this is `kaiming_uniform_(a=√5)`. LeCun et al. 1998, Efficient BackProp, equation 16, as to scale.
    """
    bound = 1 / sqrt(fan) if fan > 0 else 0.0
    return uniform_(tensor, -bound, bound, generator)


@torch.no_grad()
def lecun_uniform_(
    tensor: Float[Tensor, "*shape"], fan_in: int | Tensor, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """U(-2.4 / F, 2.4 / F), F the fan-in of the unit that each entry belongs to (a tensor broadcasts).

    LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, appendix A: for scaled tanh units.
    """
    tensor.uniform_(-2.4, 2.4, generator=generator)
    return tensor.div_(fan_in.to(tensor.device) if isinstance(fan_in, Tensor) else fan_in)
