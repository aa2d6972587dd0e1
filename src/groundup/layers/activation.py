"""Activations as layers: elementwise, and gated ones with weights of their own.

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
    """max(x, 0), any shape; the subgradient at 0 is 0. A drop-in for `torch.nn.ReLU`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return relu(x, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x / 3), LeCun et al. 1998, appendix A: f(±1) = ±1, and the curvature is greatest there."""

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
    """x Φ(x), Φ the standard normal distribution function. A drop-in for `torch.nn.GELU`.

    approximate: "none" (BERT, ViT, Swin) or "tanh" (GPT-2). Hendrycks and Gimpel 2016, arXiv:1606.08415.
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
    """y = (x W + b) ⊗ σ(x V + c), with x (..., in_features), y (..., out_features).

    `proj` computes both at once: its weight (2 out_features, in_features) holds W, then V, its bias b, then c. The
    first half is linear and the second the gate, as in `torch.nn.Linear` followed by `torch.nn.GLU`.
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
    """F: two thirds of 4 E, so that three matrices weigh as much as two of 4 E; times `multiplier`, rounded up.

    LLaMA's 4096 has 11008. Touvron et al. 2023, arXiv:2302.13971, section 2.2.
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
    """y = silu(x W + b) ⊗ (x V + c), with x (..., in_features), y (..., out_features).

    W is `gate_proj`, which is activated, and V is `up_proj`: LLaMA's names. Without biases by default, as there.
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
