"""Embedding: a row of a table for each index.

Legend: V rows of the table (num_embeddings), E numbers in a row (embedding_dim).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.backend import fused_by
from groundup.kernels import elementwise as kernels
from groundup.rules import elementwise as rules


@fused_by(kernels.embedding, rules.embedding, on_error=rules.table_indices)
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

    Why: words have no order and no distance; as one-hot vectors, any two are equally far apart. Learned rows
    of words that are used alike come close, so that what is learned about one holds for the other.

    Args:
        indices: int64 or int32, each in [0, V).
        weight: the table.
        padding_idx: the row that gets no gradient.
        max_norm: first shrink, in place, the rows looked up whose `norm_type`-norm is larger.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often it is looked up in this call.
        sparse: the kernel gives the table's gradient as a sparse tensor; the definition gives the same numbers, dense.

    Bengio et al. 2003, A Neural Probabilistic Language Model, JMLR 3, section 2: the matrix C.

    Example:
        >>> embedding(torch.tensor([2, 0]), torch.arange(6.0).view(3, 2))
        tensor([[4., 5.],
                [0., 1.]])
    """
    flat = indices.flatten()
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
        y = scale_gradient(y, 1 / count.index_select(0, flat))
    return y.view(*indices.shape, weight.size(1))


def scale_gradient(y: Float[Tensor, "n E"], scale: Float[Tensor, "n 1"]) -> Float[Tensor, "n E"]:
    """Return y, exactly; its gradient is multiplied by `scale`."""
    return y.detach() + scale * (y - y.detach())
