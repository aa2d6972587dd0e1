"""Sums, means and maxima over the neighbours of a node, and the normalised product of graph convolution.

Why: the nodes of a graph have no order, and each its own number of neighbours. A sum, a mean or a maximum over the
neighbours depends on neither, so that one layer works on any graph.

Legend: B batch, N nodes, C features, E edges; A the adjacency: row i has the weights a_ij of the edges from nodes j to
node i; d_i = Σ_j a_ij the degree, the sum of the row.

A is dense, (N, N) or (B, N, N), or sparse, (N, N) in COO or CSR layout. A sparse A is never made dense: time and
memory are O(E C). Entries that a COO tensor stores twice are summed; an entry stored as 0 is no edge. Weights are not
negative; a row whose sum is not positive counts as isolated. `mask` (True = real) removes padded nodes and their edges.

Sums, means and maxima also take an A with fewer rows than columns, (M, N) with x (N, C): then y (M, C) has the first M
nodes only, and the others are only read. Sampled neighbourhoods are such graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import checked, fused_by
from groundup.functional.precision import widen
from groundup.kernels import graph as kernels
from groundup.rules import graphs as rules

#: The features of nodes: of one graph, or of a batch of graphs of equal size.
Nodes = Float[Tensor, "N C"] | Float[Tensor, "B N C"]
#: A, whose shape and layout `groundup.rules.graphs` compares with the nodes.
Adjacency = Annotated[Float[Tensor, "*B M N"], checks.tensor]


class Edges(NamedTuple):
    """A sparse adjacency of `size` rows: edge e goes from node col[e] to node row[e] and has weight[e]. No pair occurs
    twice.

    `order` sorts the edges by col: with it, the derivative of a sum along edges is as fast as the sum.

    Example:
        >>> graph = edges(torch.tensor([[0.0, 2.0], [0.0, 0.0]]).to_sparse())
        >>> graph.row, graph.col, graph.weight, graph.size
        (tensor([0]), tensor([1]), tensor([2.]), 2)
    """

    row: Tensor
    col: Tensor
    weight: Tensor
    size: int
    order: Tensor | None = None


def edges(adj: Float[Tensor, "M N"], ordered: bool = False) -> Edges:
    """Return the entries of a sparse adjacency; derivatives flow to its values.

    Args:
        adj: A, sparse.
        ordered: also compute `Edges.order`, for several sums over the same edges.
    """
    if ordered:
        plain = edges(adj)
        return plain._replace(order=kernels.sort_indices(plain.col, adj.size(1)))
    if adj.layout == torch.sparse_csr:
        start, col = adj.crow_indices().long(), adj.col_indices().long()
        nodes = torch.arange(adj.size(0), device=col.device)
        return Edges(
            torch.repeat_interleave(nodes, start.diff(), output_size=col.numel()), col, adj.values(), len(nodes)
        )
    adj = adj.coalesce()
    row, col = adj.indices()
    return Edges(row, col, adj.values(), adj.size(0))


def blank(x: Float[Tensor, "*B N C"], mask: Bool[Tensor, "*B N"] | None) -> Float[Tensor, "*B N C"]:
    """Return x with zeros for padded nodes, so that no padding, NaN included, reaches a result or a gradient."""
    return x if mask is None else torch.where(mask[..., None], x, 0)


def apply_to_real_nodes(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "*B N C"], mask: Bool[Tensor, "*B N"] | None
) -> Float[Tensor, "*B N O"]:
    """Apply `function`, (n, C) to (n, O), to the rows of real nodes alone; padded ones get zeros.

    Why: a function that looks across rows, as batch normalisation does, must not see the padding.
    """
    rows = x.flatten(0, -2)
    if mask is None:
        y = function(rows)
        return y.view(*x.shape[:-1], y.size(1))
    real = mask.flatten().nonzero().squeeze(1)
    y = function(rows.index_select(0, real))
    return y.new_zeros(len(rows), y.size(1)).index_copy(0, real, y).view(*x.shape[:-1], y.size(1))


def without_padding(x: Tensor, adj: Tensor | Edges, mask: Tensor | None) -> tuple[Tensor, Tensor | Edges]:
    """Return x and A without padded nodes; a sparse A as its edges."""
    x = blank(x, mask)
    if isinstance(adj, Tensor) and adj.layout == torch.strided:
        if mask is not None:
            adj = torch.where(mask[..., : adj.size(-2), None] & mask[..., None, :], adj, 0)
        return x, adj
    graph = adj if isinstance(adj, Edges) else edges(adj)
    if mask is not None:
        graph = graph._replace(weight=torch.where(mask[graph.row] & mask[graph.col], graph.weight, 0))
    return x, graph


@fused_by(kernels.edge_sum)
def edge_sum(
    x: Float[Tensor, "N C"],
    row: Int[Tensor, " E"],
    col: Int[Tensor, " E"],
    weight: Float[Tensor, " E"],
    size: int | None = None,
    order: Int[Tensor, " E"] | None = None,
) -> Float[Tensor, "M C"]:
    """y_i = Σ_{e: row[e] = i} weight[e] x_{col[e]}: the product of a sparse matrix and x, edge by edge

    Args:
        x: the features of the nodes.
        row, col, weight: as `edges` returns them: in order of row, no pair twice.
        size: M, the number of rows of y; None is as many as x has.
        order: see `Edges`.

    Example:
        >>> row, col = torch.tensor([0, 0]), torch.tensor([0, 1])
        >>> edge_sum(torch.tensor([[1.0], [2.0]]), row, col, torch.tensor([1.0, 10.0]), size=1)
        tensor([[21.]])
    """
    wide = widen(x)
    messages = weight.to(wide.dtype)[:, None] * wide.index_select(0, col)
    return wide.new_zeros(x.size(0) if size is None else size, x.size(1)).index_add(0, row, messages).to(x.dtype)


def sparse_linear(x: Float[Tensor, "N I"], weight: Float[Tensor, "O I"]) -> Float[Tensor, "N O"]:
    """Return x Wᵀ for a sparse x in COO layout, in the time of its non-zero entries: a bag of words is mostly zeros."""
    row, col, value, size, _ = edges(x)
    return edge_sum(weight.mT, row, col, value, size)


def product(graph: Tensor | Edges, x: Tensor) -> Tensor:
    """Return A x, in the dtype of x."""
    if isinstance(graph, Edges):
        return edge_sum(x, *graph)
    return graph.to(x.dtype) @ x


def degrees(graph: Tensor | Edges, x: Tensor) -> Tensor:
    """Return d_i = Σ_j a_ij, (..., N)."""
    dtype = widen(x).dtype
    if isinstance(graph, Edges):
        return x.new_zeros(graph.size, dtype=dtype).index_add(0, graph.row, graph.weight.to(dtype))
    return graph.sum(-1, dtype=dtype)


def missing_loops(graph: Tensor | Edges, x: Tensor) -> Tensor:
    """Return 1 for each node without an edge to itself, else 0, (..., N)."""
    dtype = widen(x).dtype
    if isinstance(graph, Edges):
        loop = ((graph.row == graph.col) & (graph.weight != 0)).to(dtype)
        return 1 - x.new_zeros(graph.size, dtype=dtype).index_add(0, graph.row, loop)
    return (graph.diagonal(dim1=-2, dim2=-1) == 0).to(dtype)


@checked(rules.neighbours, remember=False)
def neighbour_sum(x: Nodes, adj: Adjacency | Edges, mask: Bool[Tensor, "..."] | None = None) -> Float[Tensor, "*B M C"]:
    """y_i = Σ_j a_ij x_j

    Args:
        x: the features of the nodes.
        adj: A, dense or sparse; or its `edges`, for several sums over one graph. These are not checked again.
        mask: True = a real node; None = all are.

    Example:
        >>> neighbour_sum(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        tensor([[2.],
                [1.]])
    """
    x, graph = without_padding(x, adj, mask)
    return product(graph, x).to(x.dtype)


@checked(rules.neighbours, remember=False)
def neighbour_mean(
    x: Nodes, adj: Adjacency, mask: Bool[Tensor, "..."] | None = None, with_self: bool = False
) -> Float[Tensor, "*B M C"]:
    """y_i = Σ_j a_ij x_j / Σ_j a_ij; zero for an isolated node.

    Args:
        x, adj, mask: see `neighbour_sum`; `adj` must be a tensor.
        with_self: count each node among its neighbours, with weight 1 where A has no a_ii of its own.

    Example:
        >>> neighbour_mean(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]), with_self=True)
        tensor([[1.5000],
                [1.5000]])
    """
    x, graph = without_padding(x, adj, mask)
    degree = degrees(graph, x)
    loop = missing_loops(graph, x) if with_self else None
    if loop is not None:
        degree = degree + loop
    share = torch.where(degree > 0, degree, torch.inf)  # the sum of an isolated node is 0
    if isinstance(graph, Edges):  # one division per edge, not one per feature
        y = product(graph._replace(weight=graph.weight / share.index_select(0, graph.row)), x)
    else:
        y = product(graph, x) / share[..., None]
    if loop is not None:
        y = y + (loop / share)[..., None] * x[..., : adj.size(-2), :]
    return y.to(x.dtype)


@checked(rules.neighbours, remember=False)
def neighbour_max(x: Nodes, adj: Adjacency, mask: Bool[Tensor, "..."] | None = None) -> Float[Tensor, "*B M C"]:
    """y_i = max_{j: a_ij ≠ 0} x_j, feature by feature; zero for an isolated node. Weights do not scale it.

    Equal maxima share the gradient.

    Args:
        x, adj, mask: see `neighbour_sum`; `adj` must be a tensor. A dense A compares all pairs of nodes, in O(N² C)
            memory; a sparse one only the ends of edges.

    Example:
        >>> neighbour_max(torch.tensor([[1.0], [2.0]]), torch.ones(2, 2))
        tensor([[2.],
                [2.]])
    """
    x, graph = without_padding(x, adj, mask)
    if x.size(-2) == 0:
        return x
    if isinstance(graph, Edges):
        row, col, weight, size, _ = graph
        messages = torch.where((weight != 0)[:, None], x.index_select(0, col), -torch.inf)
        lowest = x.new_full((size, x.size(1)), -torch.inf)
        y = lowest.scatter_reduce(0, row[:, None].expand_as(messages), messages, "amax")
    else:
        y = torch.where((graph != 0)[..., None], x[..., None, :, :], -torch.inf).amax(-2)
    return torch.where(y == -torch.inf, 0, y)


@checked(rules.normalized_sum, remember=False)
def normalized_sum(x: Nodes, adj: Adjacency, mask: Bool[Tensor, "..."] | None = None) -> Float[Tensor, "*B N C"]:
    """D̃^-1/2 Ã D̃^-1/2 x with Ã = A + I and D̃_ii = Σ_j Ã_ij; an isolated node keeps its x.

    Why: the identity keeps a node's own features. Dividing by the degrees of both ends keeps the eigenvalues
    within (-1, 1], so that repeated layers do not blow features up, and nodes of many neighbours do not dominate.

    Args:
        x, adj, mask: see `neighbour_sum`; `adj` must be a square tensor. A node with an edge to itself keeps its weight
            a_ii, and gets no 1 on top.

    Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907,
    equation 2 and the renormalisation of section 2.2.

    Example:
        >>> normalized_sum(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        tensor([[2.0000],
                [2.0000]])
    """
    x, graph = without_padding(x, adj, mask)
    loop = missing_loops(graph, x)[..., None]  # Ã = A + diag(loop)
    degree = degrees(graph, x)[..., None] + loop
    alone = degree <= 0
    scale = torch.where(alone, 0, torch.where(alone, 1, degree).rsqrt())  # D̃^-1/2
    scaled = (scale * x).to(x.dtype)
    return (scale * (product(graph, scaled) + loop * scaled)).to(x.dtype)


def neighbours(
    adj: Float[Tensor, "*B M N"],
    mask: Bool[Tensor, "*B N"] | None = None,
    shuffle: bool = False,
    generator: torch.Generator | None = None,
) -> tuple[Int[Tensor, " E"], Int[Tensor, " E"]]:
    """Return (row, col): node row[e] has the neighbour col[e].

    Args:
        adj: A, dense or sparse. The nodes of a batch are counted through: node i of graph b is b N + i.
        mask: True = a real node.
        shuffle: the neighbours of a node come in random order, else in that of their columns.
        generator: of that order.
    """
    if adj.layout == torch.strided:
        m, n = adj.shape[-2:]
        present = adj != 0 if mask is None else (adj != 0) & mask[..., :m, None] & mask[..., None, :]
        row, col = present.flatten(0, -2).nonzero().unbind(1)
        col = col + row // max(m, 1) * n
    else:
        row, col, weight, _, _ = edges(adj)
        present = weight != 0 if mask is None else (weight != 0) & mask[row] & mask[col]
        row, col = row[present], col[present]
    if shuffle:
        order = torch.rand(row.numel(), generator=generator, device=row.device).argsort()
        col = col[order[row[order].argsort(stable=True)]]  # by row again, in random order within it
    return row, col


def l2_normalize(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """x / ‖x‖₂ along `dim`; a zero vector stays zero, with a finite gradient

    Args:
        x: any shape.
        dim: the axis of the vectors.

    Example:
        >>> l2_normalize(torch.tensor([3.0, 4.0]))
        tensor([0.6000, 0.8000])
    """
    wide = widen(x)
    norm = torch.linalg.vector_norm(wide, dim=dim, keepdim=True)
    return (wide / torch.where(norm == 0, 1, norm)).to(x.dtype)
