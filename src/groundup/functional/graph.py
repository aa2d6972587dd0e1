"""What a node gathers from its neighbours: sums, means, maxima, and the normalised product of graph convolution.

Legend: B batch, N nodes, C features, E edges; A the adjacency: row i gathers from its non-zero columns, with the
weights a_ij (an edge from j to i); d_i = Σ_j a_ij the degree, the sum of the row.

A is dense, (N, N) or (B, N, N), or sparse, (N, N) in COO or CSR layout. A sparse A is never made dense: time and
memory are O(E C). What a COO tensor stores twice is summed; an entry stored as 0 is no edge. Weights are not negative;
a row whose sum is not positive counts as isolated. `mask` (True = real) takes padded nodes and their edges out.

Sums, means and maxima also take an A of fewer rows than columns, (M, N) with x (N, C): then only the first M nodes
gather, the others are only gathered from, and y is (M, C). Sampled neighbourhoods are such graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import graph as kernels


class Edges(NamedTuple):
    """A sparse adjacency of `size` rows: node row[e] gathers from node col[e] with weight[e]. No pair twice.

    `order` puts the edges in order of col: with it, the derivative of a sum along edges is as fast as the sum.
    """

    row: Tensor
    col: Tensor
    weight: Tensor
    size: int
    order: Tensor | None = None


def check_graph(x: Tensor, adj: Tensor, mask: Tensor | None = None, partial: bool = False) -> None:
    """x (N, C) with A (N, N), dense or sparse, or x (B, N, C) with a dense A (B, N, N); mask as x without features.

    `partial` admits x (N, C) with an A of fewer rows as well.
    """
    checks.rank("x", checks.floating("x", x), 2, 3, layout="(N, C) or (B, N, C)")
    pairs = checks.tensor("adj", adj).dtype in (torch.int64, torch.int32) and adj.dim() == 2 and adj.size(0) == 2
    if pairs and adj.size(1) != x.size(-2):
        raise TypeError(
            f"adj must be an adjacency (N, N), got {adj.dtype} of shape {tuple(adj.shape)}, which looks like an "
            "edge_index (from, to): pass Graph.from_edges(edge_index.T, num_nodes=len(x), directed=True).adj, with "
            "Graph from groundup.data"
        )
    checks.floating("adj", adj)
    if adj.layout not in (torch.strided, torch.sparse_coo, torch.sparse_csr):
        raise TypeError(f"adj must be dense, sparse COO or sparse CSR, got {adj.layout}; convert with adj.to_sparse()")
    if adj.layout != torch.strided and x.dim() != 2:
        raise ValueError(
            f"x must have shape (N, C) with a sparse adj, got {tuple(x.shape)}: join the graphs of a batch to one "
            "graph with a block-diagonal adj"
        )
    if adj.layout == torch.sparse_coo and adj.dense_dim() > 0:
        raise ValueError(f"adj must hold one number an edge, got {adj.dense_dim()} dense axes")
    expected = (*x.shape[:-1], x.size(-2))
    fewer = partial and x.dim() == adj.dim() == 2 and adj.size(0) < adj.size(1) == x.size(0)
    if tuple(adj.shape) != expected and not fewer:
        raise ValueError(f"adj must have shape {expected} for x {tuple(x.shape)}, got {tuple(adj.shape)}")
    if mask is None:
        return
    if checks.tensor("mask", mask).dtype != torch.bool:
        raise TypeError(f"mask must be boolean (True = a real node), got {mask.dtype}")
    if mask.shape != x.shape[:-1]:
        raise ValueError(f"mask must have shape {tuple(x.shape[:-1])}, one for each node, got {tuple(mask.shape)}")


def edges(adj: Float[Tensor, "M N"], ordered: bool = False) -> Edges:
    """The entries of a sparse adjacency; derivatives flow to its values. `ordered` for several sums along them."""
    if ordered:
        plain = edges(adj)
        return plain._replace(order=kernels.order_of(plain.col, adj.size(1)))
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
    """Zeros for padded nodes: whatever stood there, NaN too, reaches neither a result nor a gradient."""
    return x if mask is None else torch.where(mask[..., None], x, 0)


def on_real(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "*B N C"], mask: Bool[Tensor, "*B N"] | None
) -> Float[Tensor, "*B N O"]:
    """`function` of the rows of real nodes alone, (n, C) to (n, O), and zeros for padded ones.

    What looks across rows, as batch normalisation does, must not see the padding.
    """
    rows = x.flatten(0, -2)
    if mask is None:
        y = function(rows)
        return y.view(*x.shape[:-1], y.size(1))
    real = mask.flatten().nonzero().squeeze(1)
    y = function(rows.index_select(0, real))
    return y.new_zeros(len(rows), y.size(1)).index_copy(0, real, y).view(*x.shape[:-1], y.size(1))


def _real(x: Tensor, adj: Tensor | Edges, mask: Tensor | None) -> tuple[Tensor, Tensor | Edges]:
    """x and A without padded nodes; a sparse A as its edges."""
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
    """y_i = Σ_{e: row[e] = i} weight[e] x_{col[e]}: the product of a sparse matrix and x, edge by edge.

    Edges as `edges` gives them: by row, no pair twice. y has `size` rows, as many as x if None. `order`: see `Edges`.
    """
    wide = _as_wide(x)
    messages = weight.to(wide.dtype)[:, None] * wide.index_select(0, col)
    return wide.new_zeros(x.size(0) if size is None else size, x.size(1)).index_add(0, row, messages).to(x.dtype)


def sparse_linear(x: Float[Tensor, "N I"], weight: Float[Tensor, "O I"]) -> Float[Tensor, "N O"]:
    """x Wᵀ for a sparse x in COO layout: a bag of words costs what it holds, not what it might."""
    row, col, value, size, _ = edges(x)
    return edge_sum(weight.mT, row, col, value, size)


def _product(graph: Tensor | Edges, x: Tensor) -> Tensor:
    """A x."""
    if isinstance(graph, Edges):
        return edge_sum(x, *graph)
    return graph.to(x.dtype) @ x


def _degree(graph: Tensor | Edges, x: Tensor) -> Tensor:
    """d_i = Σ_j a_ij, (..., N): the sum of the row that the product gathers along."""
    dtype = _as_wide(x).dtype
    if isinstance(graph, Edges):
        return x.new_zeros(graph.size, dtype=dtype).index_add(0, graph.row, graph.weight.to(dtype))
    return graph.sum(-1, dtype=dtype)


def _missing_loops(graph: Tensor | Edges, x: Tensor) -> Tensor:
    """1 for a node without an edge to itself, 0 for one that has its own, (..., N)."""
    dtype = _as_wide(x).dtype
    if isinstance(graph, Edges):
        loop = ((graph.row == graph.col) & (graph.weight != 0)).to(dtype)
        return 1 - x.new_zeros(graph.size, dtype=dtype).index_add(0, graph.row, loop)
    return (graph.diagonal(dim1=-2, dim2=-1) == 0).to(dtype)


def neighbour_sum(
    x: Float[Tensor, "*B N C"], adj: Float[Tensor, "*B M N"] | Edges, mask: Bool[Tensor, "*B N"] | None = None
) -> Float[Tensor, "*B M C"]:
    """y_i = Σ_j a_ij x_j. `adj` may be its `edges`, which are then not looked for again; nor checked."""
    if isinstance(adj, Tensor):
        check_graph(x, adj, mask, partial=True)
    x, graph = _real(x, adj, mask)
    return _product(graph, x).to(x.dtype)


def neighbour_mean(
    x: Float[Tensor, "*B N C"],
    adj: Float[Tensor, "*B M N"],
    mask: Bool[Tensor, "*B N"] | None = None,
    with_self: bool = False,
) -> Float[Tensor, "*B M C"]:
    """y_i = Σ_j a_ij x_j / Σ_j a_ij; zero for an isolated node.

    `with_self` counts each node among its neighbours, with weight 1 where A has no a_ii of its own.
    """
    check_graph(x, adj, mask, partial=True)
    x, graph = _real(x, adj, mask)
    degree = _degree(graph, x)
    loop = _missing_loops(graph, x) if with_self else None
    if loop is not None:
        degree = degree + loop
    share = torch.where(degree > 0, degree, torch.inf)  # over which an isolated node's total is 0
    if isinstance(graph, Edges):  # one division an edge, not one a feature
        y = _product(graph._replace(weight=graph.weight / share.index_select(0, graph.row)), x)
    else:
        y = _product(graph, x) / share[..., None]
    if loop is not None:
        y = y + (loop / share)[..., None] * x[..., : adj.size(-2), :]
    return y.to(x.dtype)


def neighbour_max(
    x: Float[Tensor, "*B N C"], adj: Float[Tensor, "*B M N"], mask: Bool[Tensor, "*B N"] | None = None
) -> Float[Tensor, "*B M C"]:
    """y_i = max_{j: a_ij ≠ 0} x_j, feature by feature; zero for an isolated node. Weights do not scale it.

    Equal largest ones share the gradient. A dense A compares all pairs, in O(N² C) memory; a sparse one only edges.
    """
    check_graph(x, adj, mask, partial=True)
    x, graph = _real(x, adj, mask)
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


def normalized_sum(
    x: Float[Tensor, "*B N C"], adj: Float[Tensor, "*B N N"], mask: Bool[Tensor, "*B N"] | None = None
) -> Float[Tensor, "*B N C"]:
    """D̃^-1/2 Ã D̃^-1/2 x with Ã = A + I and D̃_ii = Σ_j Ã_ij; an isolated node keeps its x.

    A node that has an edge to itself already keeps that one's weight, a_ii, instead of a 1 more.
    Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907,
    equation 2 and section 2.2's renormalisation.
    """
    check_graph(x, adj, mask)
    x, graph = _real(x, adj, mask)
    loop = _missing_loops(graph, x)[..., None]  # Ã = A + diag(loop)
    degree = _degree(graph, x)[..., None] + loop
    alone = degree <= 0
    scale = torch.where(alone, 0, torch.where(alone, 1, degree).rsqrt())  # D̃^-1/2
    scaled = (scale * x).to(x.dtype)
    return (scale * (_product(graph, scaled) + loop * scaled)).to(x.dtype)


def neighbours(
    adj: Float[Tensor, "*B M N"],
    mask: Bool[Tensor, "*B N"] | None = None,
    shuffle: bool = False,
    generator: torch.Generator | None = None,
) -> tuple[Int[Tensor, " E"], Int[Tensor, " E"]]:
    """(row, col): node row[e] has the neighbour col[e]; by row, within a row by column, or with `shuffle` at random.

    The nodes of a batch are counted through: node i of graph b is b N + i.
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
    """x / ‖x‖₂ along `dim`; what is zero stays zero, with a finite gradient."""
    wide = _as_wide(x)
    norm = torch.linalg.vector_norm(wide, dim=dim, keepdim=True)
    return (wide / torch.where(norm == 0, 1, norm)).to(x.dtype)


def _as_wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
