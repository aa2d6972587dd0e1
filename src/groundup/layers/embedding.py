"""Embedding: a trained vector for each word, or for anything else that has an index.

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
    """y = weight[indices]

    Why: words have no order and no distance. As one-hot vectors, any two are equally far apart; learned rows of words
    that are used alike come close, so that what is learned about one holds for the other.

    Args:
        num_embeddings, embedding_dim: the shape of the table `weight`.
        padding_idx: a row that is initialised to 0 and gets no gradient; negative numbers count from the last row.
        max_norm: first shrink, in place, the rows looked up whose norm is larger; None = never.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often it is looked up in the call.
        sparse: the gradient of the table is a sparse tensor, which holds only the rows looked up.
        device, dtype: of the table.

    indices (...), int64 or int32 in [0, num_embeddings) -> y (..., embedding_dim). The table is initialised from
    N(0, 1), as in PyTorch. A drop-in for `torch.nn.Embedding`. A tied output layer is `linear(x, embedding.weight)`.

    Example:
        >>> Embedding(1000, 64)(torch.tensor([[7, 2, 7]])).shape
        torch.Size([1, 3, 64])
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
        """Initialise the table from N(0, 1), and the row `padding_idx` to 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with torch.no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, indices: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape embedding_dim"]:
        return embedding(
            indices, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
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
