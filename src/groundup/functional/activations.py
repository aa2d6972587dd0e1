"""Elementwise nonlinearities.

Each is exact at zero and at both ends: derivatives come from `where`, never from `abs` or `clamp`, whose
subgradient at the joint would be taken for the derivative.
"""

from __future__ import annotations

from math import pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import activations as kernels


def _check_float(x: Tensor, *args: object, **kwargs: object) -> None:
    checks.floating("x", x)


def _check_gelu(x: Tensor, approximate: str = "none") -> None:
    checks.floating("x", x)
    checks.choice("approximate", approximate, ("none", "tanh"))


@fused_by(kernels.relu, check=_check_float)
def relu(x: Float[Tensor, "*shape"], inplace: bool = False) -> Float[Tensor, "*shape"]:
    """relu(x) = max(x, 0); the subgradient at 0 is 0.

    Nair and Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines. NaN stays NaN.
    """
    rectified = torch.where(x <= 0, 0, x)
    return x.copy_(rectified) if inplace else rectified


@fused_by(kernels.sigmoid, check=_check_float)
def sigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """σ(x) = 1 / (1 + exp(-x)), written with the exponential of -|x| so that it cannot overflow."""
    z = torch.exp(torch.where(x < 0, x, -x))
    return torch.where(x < 0, z, 1) / (1 + z)


@fused_by(kernels.tanh, check=_check_float)
def tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """tanh(x) = (1 - exp(-2x)) / (1 + exp(-2x)); `expm1` keeps small x exact and -2|x| keeps large x finite."""
    z = torch.expm1(torch.where(x < 0, 2 * x, -2 * x))
    return torch.where(x < 0, z, -z) / (z + 2)


@fused_by(kernels.softplus, check=_check_float)
def softplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)); its derivative is the sigmoid."""
    negative = x < 0
    return torch.where(negative, 0, x) + torch.log1p(torch.exp(torch.where(negative, x, -x)))


@fused_by(kernels.logsigmoid, check=_check_float)
def logsigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log σ(x) = -softplus(-x), finite for any finite x."""
    return -softplus(-x)


@fused_by(kernels.silu, check=_check_float)
def silu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """silu(x) = x σ(x), also called Swish. Elfwing et al. 2017, arXiv:1702.03118."""
    return x * sigmoid(x)


@fused_by(kernels.gelu, check=_check_gelu)
def gelu(x: Float[Tensor, "*shape"], approximate: str = "none") -> Float[Tensor, "*shape"]:
    """gelu(x) = x Φ(x), Φ the standard normal distribution function.

    `approximate="tanh"` is the paper's x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), which GPT-2 uses.
    Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + torch.erf(x / sqrt(2)))


def _check_glu(x: Tensor, dim: int = -1) -> None:
    checks.floating("x", x)
    if not -x.dim() <= dim < x.dim():
        raise ValueError(f"dim must lie in [{-x.dim()}, {x.dim() - 1}] for shape {tuple(x.shape)}, got {dim}")
    if x.size(dim) % 2:
        raise ValueError(f"x must have an even size along axis {dim}, got {x.size(dim)}: shape {tuple(x.shape)}")


@fused_by(kernels.glu, check=_check_glu)
def glu(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "..."]:
    """glu([a; b]) = a ⊗ σ(b), a the first half of x along `dim` and b, the gate, the second.

    Dauphin et al. 2017, Language Modeling with Gated Convolutional Networks, arXiv:1612.08083, equation 1.
    """
    a, b = x.chunk(2, dim)
    return a * sigmoid(b)


def scaled_tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A tanh(S x) with A = 1.7159 and S = 2/3, so that f(±1) = ±1.

    LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, equation 6 and appendix A.
    """
    return 1.7159 * tanh(x * (2 / 3))
