"""Initialisers: each fills a tensor in place, without recording gradients, and returns it.

Why it matters: a layer multiplies the variance of its input by fan_in · Var(W). Unless that is about 1, activations
and gradients grow or vanish exponentially with depth before the first step is made.

Legend: fan_in and fan_out are the numbers of connections into and out of one unit of a weight (out, in, *kernel).
Every `generator` draws the random numbers; None is PyTorch's own.
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
    """Return the factor that keeps the variance through a nonlinearity.

    Why: ReLU sets half of its inputs to 0, which halves their mean square; √2 makes up for it.

    Args:
        nonlinearity: "linear", "conv2d", "sigmoid", "tanh", "relu", "selu" or "leaky_relu".
        a: the negative slope of "leaky_relu", whose factor is √(2 / (1 + a²)).

    Example:
        >>> gain("leaky_relu", a=1.0)
        1.0
    """
    if nonlinearity == "leaky_relu":
        return sqrt(2 / (1 + a**2))
    return GAINS[checks.choice("nonlinearity", nonlinearity, (*GAINS, "leaky_relu"))]


def fans(weight: Float[Tensor, "..."]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (out, in, *kernel).

    Example:
        >>> fans(torch.empty(16, 3, 5, 5))
        (75, 400)
    """
    if weight.dim() < 2:
        raise ValueError(f"weight must have shape (out, in, ...), got {tuple(weight.shape)}")
    receptive = prod(weight.shape[2:])
    return weight.size(1) * receptive, weight.size(0) * receptive


@torch.no_grad()
def constant_(tensor: Float[Tensor, "*shape"], value: float) -> Float[Tensor, "*shape"]:
    """Set every element to `value`.

    Example:
        >>> constant_(torch.empty(2), 1.0)
        tensor([1., 1.])
    """
    return tensor.fill_(value)


@torch.no_grad()
def uniform_(
    tensor: Float[Tensor, "*shape"], low: float = 0.0, high: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Draw every element from U(low, high).

    Example:
        >>> bool((uniform_(torch.empty(100), -1.0, 1.0).abs() <= 1).all())
        True
    """
    return tensor.uniform_(low, high, generator=generator)


@torch.no_grad()
def normal_(
    tensor: Float[Tensor, "*shape"], mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Draw every element from N(mean, std²).

    Example:
        >>> normal_(torch.empty(2, 3)).shape
        torch.Size([2, 3])
    """
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
    """Draw every element from N(mean, std²) restricted to [low, high].

    Why: a few weights far from the mean would dominate their unit. The inverse distribution function gives each in one
    draw, x = mean + std √2 erf⁻¹(u) with u uniform, where rejection would need several.

    Args:
        tensor: to fill.
        mean, std: of the normal distribution before it is restricted.
        low, high: the bounds, as values and not as multiples of std.

    Example:
        >>> bool((trunc_normal_(torch.empty(100), std=0.02, low=-0.04, high=0.04).abs() <= 0.04).all())
        True
    """
    checks.require(low < high, f"low must be below high, got [{low}, {high}]")
    checks.require(std > 0, f"std must be positive, got {std}")
    u_low, u_high = (erf((bound - mean) / (std * sqrt(2))) for bound in (low, high))
    checks.require(u_low < u_high, f"[{low}, {high}] is too far from mean {mean}: no probability is left in it")
    tensor.uniform_(u_low, u_high, generator=generator).erfinv_()
    return tensor.mul_(std * sqrt(2)).add_(mean).clamp_(low, high)


def xavier_uniform_(
    tensor: Float[Tensor, "*shape"], gain: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Draw every element from U(-b, b), b = gain √(6 / (fan_in + fan_out)).

    Why: 1 / fan_in keeps the variance of activations, 1 / fan_out that of gradients; their mean is a compromise.

    Args:
        tensor: a weight (out, in, *kernel).
        gain: see `gain`.

    Glorot and Bengio 2010, Understanding the Difficulty of Training Deep Feedforward Neural Networks, equation 16.

    Example:
        >>> bool((xavier_uniform_(torch.empty(3, 3)).abs() <= 1).all())
        True
    """
    bound = gain * sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: Float[Tensor, "*shape"], gain: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Draw every element from N(0, gain² · 2 / (fan_in + fan_out)); see `xavier_uniform_`.

    Glorot and Bengio 2010, equation 12.

    Example:
        >>> xavier_normal_(torch.empty(2, 3)).shape
        torch.Size([2, 3])
    """
    return normal_(tensor, 0.0, gain * sqrt(2 / sum(fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """Return gain / √fan."""
    fan = fans(tensor)[checks.choice("mode", mode, ("fan_in", "fan_out")) == "fan_out"]
    return gain(nonlinearity, a) / sqrt(max(fan, 1))  # a weight without elements has fan 0


def kaiming_uniform_(
    tensor: Float[Tensor, "*shape"],
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """Draw every element from U(-b, b), b = √3 gain / √fan; see `kaiming_normal_`.

    Example:
        >>> bool((kaiming_uniform_(torch.empty(8, 3), nonlinearity="linear").abs() <= 1).all())
        True
    """
    bound = sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Float[Tensor, "*shape"],
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """Draw every element from N(0, gain² / fan).

    Why: `xavier_normal_` assumes a linear network. With ReLU its variances are halved in every layer; at 30 layers the
    paper's network does not learn with it, and does with this.

    Args:
        tensor: a weight (out, in, *kernel).
        a, nonlinearity: see `gain`.
        mode: "fan_in" keeps the variance of activations, "fan_out" that of gradients.

    He et al. 2015, Delving Deep into Rectifiers, arXiv:1502.01852, equations 10, 14 and 15.

    Example:
        >>> kaiming_normal_(torch.empty(2, 3), nonlinearity="relu").shape
        torch.Size([2, 3])
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@torch.no_grad()
def orthogonal_(
    tensor: Float[Tensor, "*shape"], gain: float = 1.0, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Fill with gain · Q, where Q is the orthonormal factor of a Gaussian matrix.

    Why: an orthogonal matrix changes no length, so that products of any number of them neither vanish nor explode.

    Args: tensor: a weight (out, in, *kernel), taken as a matrix (out, in · kernel): its rows are orthonormal, or its
        columns if they are fewer.
        gain: see `gain`.

    A positive diagonal of R makes Q uniform over the orthogonal matrices. Saxe et al. 2014, arXiv:1312.6120.

    Example:
        >>> q = orthogonal_(torch.empty(2, 3))
        >>> (q @ q.mT).allclose(torch.eye(2), atol=1e-6)
        True
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
    """Draw every element from U(-1/√fan, 1/√fan): the initialisation of PyTorch's linear, convolutional and recurrent
    layers.

    For a weight this is `kaiming_uniform_(a=√5)`, with variance 1 / (3 fan): a third of what LeCun et al. 1998,
    Efficient BackProp, equation 16, ask for.

    Args:
        tensor: a weight or a bias.
        fan: the fan-in; for a recurrent layer the hidden size. With 0 every element is 0.

    Example:
        >>> bool((inverse_sqrt_uniform_(torch.empty(8), fan=4).abs() <= 0.5).all())
        True
    """
    bound = 1 / sqrt(fan) if fan > 0 else 0.0
    return uniform_(tensor, -bound, bound, generator)


@torch.no_grad()
def lecun_uniform_(
    tensor: Float[Tensor, "*shape"], fan_in: int | Tensor, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Draw every element from U(-2.4 / F, 2.4 / F), for units with a scaled tanh.

    Args:
        tensor: to fill.
        fan_in: F of the unit that each element belongs to; a tensor broadcasts.

    LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, appendix A.

    Example:
        >>> bool((lecun_uniform_(torch.empty(8), 24).abs() <= 0.1).all())
        True
    """
    tensor.uniform_(-2.4, 2.4, generator=generator)
    return tensor.div_(fan_in.to(tensor.device) if isinstance(fan_in, Tensor) else fan_in)
