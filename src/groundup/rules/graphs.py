"""Rules of graph functions: adjacencies and masks that belong to the nodes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from groundup import checks


def check_graph(x: Tensor, adj: Tensor, mask: Tensor | None = None, partial: bool = False) -> None:
    """Raise unless x (N, C) has A (N, N), dense or sparse, or x (B, N, C) a dense A (B, N, N), and a mask that fits.

    Args:
        partial: accept x (N, C) with an A of fewer rows as well.
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
        raise ValueError(f"adj must hold one number per edge, got {adj.dense_dim()} dense axes")
    expected = (*x.shape[:-1], x.size(-2))
    fewer = partial and x.dim() == adj.dim() == 2 and adj.size(0) < adj.size(1) == x.size(0)
    if tuple(adj.shape) != expected and not fewer:
        raise ValueError(f"adj must have shape {expected} for x {tuple(x.shape)}, got {tuple(adj.shape)}")
    if mask is None:
        return
    if checks.tensor("mask", mask).dtype != torch.bool:
        raise TypeError(f"mask must be boolean (True = a real node), got {mask.dtype}")
    if mask.shape != x.shape[:-1]:
        raise ValueError(f"mask must have shape {tuple(x.shape[:-1])}, one per node, got {tuple(mask.shape)}")


def neighbours(call: Any) -> None:
    """A may have fewer rows than columns. `Edges`, which an earlier call made, are not checked again."""
    if isinstance(call.adj, Tensor):
        check_graph(call.x, call.adj, call.mask, partial=True)


def normalized_sum(call: Any) -> None:
    check_graph(call.x, call.adj, call.mask)


def diff_pool(call: Any) -> None:
    check_graph(call.z, call.adj, call.mask)
    z, logits = call.z, checks.floating("assignment_logits", call.assignment_logits)
    if logits.dim() != z.dim() or logits.shape[:-1] != z.shape[:-1]:
        raise ValueError(
            f"assignment_logits must have shape {(*z.shape[:-1], 'K')}, one row per node of z, "
            f"got {tuple(logits.shape)}"
        )
    checks.require(logits.size(-1) > 0, "assignment_logits must have at least one cluster, got 0")


def segment_sum(call: Any) -> None:
    checks.index_type("index", call.index)
    if call.num_segments is not None:
        checks.integer("num_segments", call.num_segments, 0)


def segments(call: Any) -> None:
    """Each index is one of the segments."""
    if call.index.numel() > 0 and checks.can_read_values(call.index):
        low, high = (int(bound) for bound in call.index.aminmax())
        count = high + 1 if call.num_segments is None else call.num_segments
        if low < 0 or high >= count:
            raise ValueError(f"index must lie in [0, {count - 1}], got {low if low < 0 else high}")
