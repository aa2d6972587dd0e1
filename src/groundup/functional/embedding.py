"""Embedding: a row of a table for each index.

Legend: V rows of the table (num_embeddings), E numbers in a row (embedding_dim).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import embedding as kernels


def _check(
    indices: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> None:
    if checks.tensor("indices", indices).dtype not in (torch.int64, torch.int32):
        raise TypeError(f"indices must be int64 or int32, got {indices.dtype}; convert with indices.long()")


@fused_by(kernels.embedding, check=_check)
def embedding(
    indices: Int[Tensor, "*shape"],
    weight: Float[Tensor, "V E"],
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Float[Tensor, "*shape E"]:
    """y[...] = weight[indices[...]]: the product of a one-hot vector and the table, without the product.

    padding_idx: the row that gets no gradient. scale_grad_by_freq: divide the gradient of each row by how often it
    is looked up here. max_norm: first shrink, in place, the rows looked up whose `norm_type`-norm is larger.
    sparse: the kernel gives the table's gradient as a sparse tensor; the definition gives the same numbers, dense.
    Bengio et al. 2003, A Neural Probabilistic Language Model, JMLR 3, section 2: the matrix C.
    """
    flat = checks.indices("indices", indices, weight.size(0), "the rows of weight").flatten()
    if max_norm is not None:
        with torch.no_grad():
            rows = weight.index_select(0, flat)
            norm = torch.linalg.vector_norm(rows, norm_type, -1, keepdim=True)
            weight.index_copy_(0, flat, torch.where(norm > max_norm, rows * (max_norm / (norm + 1e-7)), rows))
    y = weight.index_select(0, flat)
    if padding_idx is not None:
        y = torch.where((flat == padding_idx)[:, None], y.detach(), y)
    if scale_grad_by_freq:
        count = torch.zeros_like(weight[:, :1]).index_add(0, flat, torch.ones_like(y[:, :1]))
        y = _with_gradient_times(1 / count.index_select(0, flat), y)
    return y.view(*indices.shape, weight.size(1))


def _with_gradient_times(scale: Tensor, y: Tensor) -> Tensor:
    """y, exactly; its gradient is multiplied by `scale`."""
    return y.detach() + scale * (y - y.detach())
