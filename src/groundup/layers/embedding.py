"""Embedding: a trained vector for each word, or for whatever has an index.

Bengio et al. 2003, A Neural Probabilistic Language Model, JMLR 3, section 2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.embedding import embedding


@component(
    2,
    "one row of a table per index",
    paper=("Bengio et al. 2003, A Neural Probabilistic Language Model, https://jmlr.org/papers/v3/bengio03a.html"),
    oracle="torch.nn.Embedding",
    example="Embedding(1000, 64)(torch.randint(1000, (1, 10)))",
)
class Embedding(nn.Module):
    """y = weight[indices], with indices (...) in [0, num_embeddings), weight (num_embeddings, embedding_dim).

    y (..., embedding_dim). The table begins N(0, 1). The row `padding_idx` begins at zero and gets no gradient (a
    negative one counts from the end, as PyTorch's does; an index in `indices` never does).
    max_norm, norm_type, scale_grad_by_freq, sparse: see `groundup.functional.embedding`.
    A drop-in for `torch.nn.Embedding`; a tied output layer is `linear(x, embedding.weight)`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = checks.integer("num_embeddings", num_embeddings)
        self.embedding_dim = checks.integer("embedding_dim", embedding_dim)
        if padding_idx is not None:
            checks.integer("padding_idx", padding_idx, -num_embeddings)
            checks.require(
                padding_idx < num_embeddings,
                f"padding_idx must be below num_embeddings={num_embeddings}, got {padding_idx}",
            )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = None if max_norm is None else checks.real("max_norm", max_norm, 0.0)
        self.norm_type = float(norm_type)
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with torch.no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, indices: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape embedding_dim"]:
        return embedding(
            indices,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2.0}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        for name in ("scale_grad_by_freq", "sparse"):
            text += f", {name}=True" if getattr(self, name) else ""
        return text
