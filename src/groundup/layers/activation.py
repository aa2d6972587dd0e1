"""Activations as layers: elementwise ones, and gated ones, which have weights.

Why: without a nonlinearity between them, two linear layers are one linear layer.

Gated linear units: Dauphin et al. 2017, arXiv:1612.08083, section 2;  Shazeer 2020, GLU Variants Improve Transformer,
arXiv:2002.05202, section 2.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.activations import gelu, glu, relu, scaled_tanh, silu
from groundup.layers.linear import Linear


@component(
    25,
    "max(x, 0)",
    paper=(
        "Nair and Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines, "
        "https://icml.cc/Conferences/2010/papers/432.pdf"
    ),
    oracle="torch.nn.ReLU",
    example="ReLU()(torch.randn(1, 64))",
)
class ReLU(nn.Module):
    """y = max(x, 0)

    Why: the gradient is 1 wherever a unit is active, so that it does not shrink from layer to layer as that of a
    sigmoid does. A unit that is inactive for every sample has gradient 0 and no longer learns.

    Args:
        inplace: write the result into x, which saves its memory.

    x and y have any shape. The subgradient at 0 is 0. A drop-in for `torch.nn.ReLU`.

    Example:
        >>> ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return relu(x, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ScaledTanh(nn.Module):
    """y = 1.7159 tanh(2x / 3)

    Why the two constants: f(1) = 1 and f(-1) = -1, and the second derivative has its extrema there. A unit whose
    target is ±1 therefore works where tanh bends, not where it saturates and its gradient vanishes.

    LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, appendix A. x and y have any shape.

    Example:
        >>> ScaledTanh()(torch.tensor([-1.0, 1.0]))
        tensor([-1.0000,  1.0000])
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return scaled_tanh(x)


@component(
    26,
    "x Φ(x)",
    paper="Hendrycks and Gimpel 2016, Gaussian Error Linear Units, arXiv:1606.08415",
    oracle="torch.nn.GELU",
    example="GELU()(torch.randn(1, 64))",
)
class GELU(nn.Module):
    """y = x Φ(x), where Φ is the distribution function of the standard normal distribution

    Why: the paper multiplies x by 1 with probability Φ(x) and by 0 otherwise, as dropout would, but depending on x;
    this is the expectation. It is smooth, and small negative inputs keep a gradient, which ReLU sets to 0.

    Args:
        approximate: "none" computes Φ by the error function (BERT, ViT, Swin); "tanh" is the approximation
            ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) (GPT-2).

    x and y have any shape. A drop-in for `torch.nn.GELU`.

    Example:
        >>> GELU()(torch.tensor([-1.0, 2.0]))
        tensor([-0.1587,  1.9545])
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        checks.choice("approximate", approximate, ("none", "tanh"))
        self.approximate = approximate

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


@component(
    27,
    "(x W + b) ⊗ σ(x V + c)",
    paper="Dauphin et al. 2017, Language Modeling with Gated Convolutional Networks, arXiv:1612.08083",
    oracle="torch.nn.Linear, then torch.nn.GLU",
    example="GLU(64, 128)(torch.randn(1, 64))",
)
class GLU(nn.Module):
    """y = (x W + b) ⊗ σ(x V + c)

    Why: the gate σ(x V + c) selects, per feature, how much passes. The other factor is linear, so that the gradient has
    a path without a saturating function; with tanh in place of the identity it would shrink at every layer (section 2).

    Args:
        in_features, out_features: sizes of the last axis of x (..., in_features) and y (..., out_features).
        bias: False leaves out b and c.
        device, dtype: of the parameters.

    `proj` computes both products at once: its weight (2 out_features, in_features) holds W, then V, and its bias b,
    then c. It equals `torch.nn.Linear` followed by `torch.nn.GLU`.

    Example:
        >>> GLU(64, 128)(torch.randn(2, 64)).shape
        torch.Size([2, 128])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features)
        self.out_features = checks.integer("out_features", out_features)
        self.proj = Linear(in_features, 2 * out_features, bias, device, dtype)

    def forward(self, x: Float[Tensor, "*batch in_features"]) -> Float[Tensor, "*batch out_features"]:
        return glu(self.proj(x))


def compute_gated_width(embed_dim: int, multiple_of: int = 256, multiplier: float = 1.0) -> int:
    """Return the hidden width F of a gated feed-forward network: multiplier · ⅔ · 4 E, rounded up to a multiple.

    Why ⅔: a gated network has three matrices, an ordinary one of width 4 E two. With two thirds of the width both have
    the same number of weights.

    Args:
        embed_dim: E.
        multiple_of: F is a multiple of this.
        multiplier: a further factor; Llama 2 70B has 1.3.

    Touvron et al. 2023, LLaMA, arXiv:2302.13971, section 2.2.

    Example:
        >>> compute_gated_width(4096)
        11008
    """
    features = int(multiplier * int(2 * 4 * checks.integer("embed_dim", embed_dim) / 3))
    return -(-features // multiple_of) * multiple_of


@component(
    28,
    "silu(x W) ⊗ x V",
    paper="Shazeer 2020, GLU Variants Improve Transformer, arXiv:2002.05202",
    oracle="transformers' LlamaMLP",
    example="SwiGLU(64, 128)(torch.randn(1, 64))",
)
class SwiGLU(nn.Module):
    """y = silu(x W + b) ⊗ (x V + c)

    Why: as `GLU`, with silu(z) = z σ(z) as the gate, which also passes values above 1. The paper measures a lower
    perplexity than with ReLU, GELU or GLU, and gives no reason.

    Args:
        in_features, out_features: sizes of the last axis of x (..., in_features) and y (..., out_features).
        bias: True adds b and c. LLaMA has none, and so does the default.
        device, dtype: of the parameters.

    W is `gate_proj` and V is `up_proj`, LLaMA's names.

    Example:
        >>> SwiGLU(64, 128)(torch.randn(2, 64)).shape
        torch.Size([2, 128])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features)
        self.out_features = checks.integer("out_features", out_features)
        self.gate_proj = Linear(in_features, out_features, bias, device, dtype)
        self.up_proj = Linear(in_features, out_features, bias, device, dtype)

    def forward(self, x: Float[Tensor, "*batch in_features"]) -> Float[Tensor, "*batch out_features"]:
        return silu(self.gate_proj(x)) * self.up_proj(x)
