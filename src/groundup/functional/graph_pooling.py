"""Graph pooling: from the nodes of graphs to one vector per graph, or to a smaller graph.

Legend: B batch, N nodes, C features, K clusters; A the adjacency, Z the nodes' features, S the soft assignment of
nodes to clusters.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup.backend import checked
from groundup.functional.graph import Adjacency, Nodes, blank, edges, neighbour_sum
from groundup.functional.precision import widen
from groundup.functional.softmax import log_softmax, softmax
from groundup.rules import graphs as rules


@checked(rules.segment_sum, values=rules.segments)
def segment_sum(
    x: Float[Tensor, "N C"], index: Int[Tensor, " N"], num_segments: int | None = None
) -> Float[Tensor, "G C"]:
    """y_g = Σ_{n: index[n] = g} x_n for g = 0 .. num_segments - 1; zeros for a segment without rows

    Why: graphs of different sizes are one batch without padding: all nodes in one list, and for each the number of its
    graph.

    Args:
        x: the features of all nodes of all graphs, in any order.
        index: the graph that each node belongs to.
        num_segments: G; None is the largest index plus one, which leaves out graphs without nodes after it.

    Example:
        >>> segment_sum(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 1, 0]))
        tensor([[4.],
                [2.]])
    """
    if num_segments is None:
        num_segments = int(index.max()) + 1 if index.numel() > 0 else 0
    wide = widen(x)
    return wide.new_zeros(num_segments, x.size(1)).index_add(0, index, wide).to(x.dtype)


@checked(rules.diff_pool, remember=False)
def diff_pool(
    z: Nodes, adj: Adjacency, assignment_logits: Float[Tensor, "*B N K"], mask: Bool[Tensor, "..."] | None = None
) -> tuple[Float[Tensor, "*B K C"], Float[Tensor, "*B K K"], Float[Tensor, ""], Float[Tensor, ""]]:
    """(X', A', link loss, entropy loss) of a graph that is coarsened to K clusters:

        S  = softmax(logits), each real node's row over the clusters; rows of padded nodes are 0
        X' = Sᵀ Z                                            equation 3
        A' = Sᵀ A S                                          equation 4
        link loss = ‖A - S Sᵀ‖_F / n²                        section 3.3, L_LP, per entry of A
        entropy loss = Σ_i H(S_i) / n,  H(p) = -Σ_k p_k log p_k             L_E

    n is the number of real nodes of a graph (`mask`, True = real); the losses are means over the graphs that have any,
    so that neither padding nor the rest of the batch changes them.

    Why the losses: from the loss of the graph's class alone, S learns slowly. The first asks that neighbours share a
    cluster, the second that each node belongs to one cluster.

    Args:
        z: Z.
        adj: A, dense; for one graph also sparse, where the link loss takes O(E K + N K²). A' is dense.
        assignment_logits: the score of each cluster for each node.
        mask: True = a real node; None = all are.

    Ying et al. 2018, Hierarchical Graph Representation Learning with Differentiable Pooling, arXiv:1806.08804.

    Differs from PyTorch Geometric, whose link loss takes one norm over the whole batch, and whose losses count padded
    nodes. For one graph without padding they are equal.

    Example:
        >>> x, adj, link_loss, entropy_loss = diff_pool(torch.ones(3, 1), torch.ones(3, 3), torch.zeros(3, 2))
        >>> x, adj
        (tensor([[1.5000],
                [1.5000]]), tensor([[2.2500, 2.2500],
                [2.2500, 2.2500]]))
    """
    s = softmax(blank(assignment_logits, mask), -1, None if mask is None else mask[..., None])
    x = s.mT @ blank(z, mask)
    coarse = s.mT @ neighbour_sum(s.to(z.dtype), adj, mask)

    wide = widen(s)
    real = wide.new_ones(wide.shape[:-1]) if mask is None else mask.to(wide.dtype)
    n = real.sum(-1)
    log_s = log_softmax(blank(assignment_logits, mask).to(wide.dtype))
    entropy = -(wide * torch.where(log_s == -torch.inf, 0, log_s)).sum((-2, -1))
    graphs = (n > 0).sum().clamp(min=1)
    n = torch.where(n > 0, n, 1)
    link = link_distance(adj, wide, mask) / (n * n)
    return x, coarse, (link.sum() / graphs).to(z.dtype), ((entropy / n).sum() / graphs).to(z.dtype)


def link_distance(adj: Tensor, s: Tensor, mask: Tensor | None) -> Tensor:
    """Return ‖A - S Sᵀ‖_F of each graph."""
    if adj.layout == torch.strided:
        if mask is not None:
            adj = torch.where(mask[..., :, None] & mask[..., None, :], adj, 0)
        return torch.linalg.vector_norm(adj.to(s.dtype) - s @ s.mT, dim=(-2, -1))
    # Where A stores nothing only S Sᵀ is left, and ‖S Sᵀ‖_F = ‖Sᵀ S‖_F, a K × K matrix: N × N is never held.
    row, col, weight, _, _ = edges(adj)
    weight = weight if mask is None else torch.where(mask[row] & mask[col], weight, 0)
    product = (s.index_select(0, row) * s.index_select(0, col)).sum(-1)
    gram = s.mT @ s
    square = ((weight.to(s.dtype) - product) ** 2).sum() + (gram * gram).sum() - (product * product).sum()
    return torch.where(square > 0, torch.where(square > 0, square, 1).sqrt(), 0)
