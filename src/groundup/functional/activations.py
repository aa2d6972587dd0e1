"""Elementwise nonlinearities.

Without one between them, two linear layers are one linear layer: W₂(W₁ x) = (W₂ W₁) x. The choice of the function
decides how gradients pass: sigmoid and tanh flatten at both ends, where their derivative vanishes; relu and its smooth
relatives keep a derivative of about 1 for positive inputs.

Derivatives come from `torch.where`, never from `abs` or `clamp`, whose subgradient at the joint would be taken for the
derivative; so each function is exact at zero and at both ends.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.backend import checked, fused_by
from groundup.kernels import elementwise as kernels
from groundup.rules import elementwise as rules

Array = Float[Tensor, "*shape"]


@fused_by(kernels.relu)
def relu(x: Array, inplace: bool = False) -> Array:
    """relu(x) = max(x, 0), with the subgradient 0 at 0.

    Why: its derivative is 1 wherever the unit is active, so that gradients keep their size through many layers, and
    zeros make activations sparse. A unit whose input is always negative gets no gradient and stays off.

    Args:
        x: any shape. NaN stays NaN.
        inplace: write the result into x.

    Nair and Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines, section 2.

    Example:
        >>> relu(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """
    rectified = torch.where(x <= 0, 0, x)
    return x.copy_(rectified) if inplace else rectified


@fused_by(kernels.sigmoid)
def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + exp(-x)): from any real number to a probability.

    Why: σ(x) is the probability of class 1 when x is the logarithm of the odds. It is computed with exp(-|x|), which
    cannot overflow. Its derivative σ(x) (1 - σ(x)) is at most 1/4: a chain of sigmoids shrinks gradients.

    Args:
        x: any shape.

    Example:
        >>> sigmoid(torch.tensor([-1e4, 0.0, 1e4]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    z = torch.exp(torch.where(x < 0, x, -x))
    return torch.where(x < 0, z, 1) / (1 + z)


@fused_by(kernels.tanh)
def tanh(x: Array) -> Array:
    """tanh(x) = (1 - exp(-2x)) / (1 + exp(-2x)) = 2 σ(2x) - 1: a sigmoid centred at 0, between -1 and 1.

    Why: outputs with mean 0 keep the next layer's gradients from all having one sign. `expm1` keeps small x exact, and
    -2|x| keeps large x finite.

    Args:
        x: any shape.

    Example:
        >>> tanh(torch.tensor([-1e4, 0.0, 1e-8]))
        tensor([-1.0000e+00,  0.0000e+00,  1.0000e-08])
    """
    z = torch.expm1(torch.where(x < 0, 2 * x, -2 * x))
    return torch.where(x < 0, z, -z) / (z + 2)


@fused_by(kernels.softplus)
def softplus(x: Array) -> Array:
    """softplus(x) = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)): a smooth relu, whose derivative is σ(x).

    Args:
        x: any shape.

    Example:
        >>> softplus(torch.tensor([-1e4, 0.0, 1e4]))
        tensor([0.0000e+00, 6.9315e-01, 1.0000e+04])
    """
    negative = x < 0
    return torch.where(negative, 0, x) + torch.log1p(torch.exp(torch.where(negative, x, -x)))


@fused_by(kernels.logsigmoid)
def logsigmoid(x: Array) -> Array:
    """log σ(x) = -softplus(-x).

    Why not log(sigmoid(x)): σ(-1000) rounds to 0, whose logarithm is -inf; -softplus(1000) is -1000.

    Args:
        x: any shape.

    Example:
        >>> logsigmoid(torch.tensor([-1000.0]))
        tensor([-1000.])
    """
    return -softplus(-x)


@fused_by(kernels.silu)
def silu(x: Array) -> Array:
    """silu(x) = x σ(x), also called Swish: a smooth relu with a small dip below 0.

    Args:
        x: any shape.

    Elfwing et al. 2017, arXiv:1702.03118, equation 4.

    Example:
        >>> silu(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689,  0.0000,  0.7311])
    """
    return x * sigmoid(x)


@fused_by(kernels.gelu)
def gelu(x: Array, approximate: Literal["none", "tanh"] = "none") -> Array:
    """gelu(x) = x Φ(x), Φ the distribution function of the standard normal distribution.

    Why: it is what a unit gives on average if it is kept with probability Φ(x), so that larger inputs are kept more
    often: dropout and nonlinearity in one.

    Args:
        x: any shape.
        approximate: "tanh" computes the paper's x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), which GPT-2 uses.

    Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.

    Example:
        >>> gelu(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + torch.erf(x / sqrt(2)))


@fused_by(kernels.glu, rules.glu)
def glu(x: Array, dim: int = -1) -> Float[Tensor, "..."]:
    """glu([a; b]) = a ⊗ σ(b): b gates a.

    Why: the gate decides what passes while a stays linear, and a linear path carries its gradient unchanged.

    Args:
        x: of even size along `dim`; a is its first half, b its second.
        dim: the axis of the halves.

    Dauphin et al. 2017, Language Modeling with Gated Convolutional Networks, arXiv:1612.08083, equation 1.

    Example:
        >>> glu(torch.tensor([3.0, 0.0]))
        tensor([1.5000])
    """
    a, b = x.chunk(2, dim)
    return a * sigmoid(b)


@checked()
def scaled_tanh(x: Array) -> Array:
    """f(x) = A tanh(S x) with A = 1.7159 and S = 2/3, so that f(±1) = ±1.

    Why: targets of ±1 then lie where the curvature is largest, and not at infinity, and units do not saturate.

    Args:
        x: any shape.

    LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, equation 6 and appendix A.

    Example:
        >>> scaled_tanh(torch.tensor([-1.0, 1.0]))
        tensor([-1.0000,  1.0000])
    """
    return 1.7159 * tanh(x * (2 / 3))
