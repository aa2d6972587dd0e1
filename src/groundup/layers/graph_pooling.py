"""Graph pooling: to one vector a graph (BatchAddPool), or to a smaller graph (DiffPool).

BatchAddPool: Xu et al. 2019, How Powerful are Graph Neural Networks?, arXiv:1810.00826, the readout of equation 4.2;
DiffPool: Ying et al. 2018, arXiv:1806.08804.

Legend: B batch, N nodes, C features, G graphs, K clusters.
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional.graph_pooling import diff_pool, segment_sum


@component(
    19,
    "sums the nodes of each graph",
    paper="Xu et al. 2019, How Powerful are Graph Neural Networks?, arXiv:1810.00826",
    oracle="PyTorch Geometric's global_add_pool",
    example="BatchAddPool()(torch.randn(10, 16))",
)
class BatchAddPool(nn.Module):
    """y_g = Σ_{n in graph g} x_n: x (N, C), the nodes of all graphs one after another or mixed, to y (G, C).

    batch_index (N,) names the graph of each node; None means that all belong to one. num_graphs = G keeps graphs
    without nodes that stand last; None takes the largest index for the last graph, which costs a read of the values.
    Indices outside [0, num_graphs) are a `ValueError` on a CPU, and the device's own assertion elsewhere.
    """

    def forward(
        self, x: Float[Tensor, "N C"], batch_index: Int[Tensor, " N"] | None = None, num_graphs: int | None = None
    ) -> Float[Tensor, "G C"]:
        checks.rank("x", checks.floating("x", x), 2, layout="(N, C)")
        if num_graphs is not None:
            checks.integer("num_graphs", num_graphs, 0)
        if batch_index is not None:
            return segment_sum(x, batch_index, num_graphs)
        checks.require(num_graphs in (None, 1), f"batch_index must be given for num_graphs={num_graphs}")
        return x.sum(0, keepdim=True)


@component(
    24,
    "coarsens a graph by a soft assignment to clusters",
    paper=(
        "Ying et al. 2018, Hierarchical Graph Representation Learning with Differentiable Pooling, arXiv:1806.08804"
    ),
    oracle="PyTorch Geometric's dense_diff_pool",
    example="DiffPool()(torch.randn(1, 10, 16), torch.rand(1, 10, 10), torch.randn(1, 10, 4))",
)
class DiffPool(nn.Module):
    """(X', A', link loss, entropy loss) = (Sᵀ Z, Sᵀ A S, ‖A - S Sᵀ‖_F / n², Σ_i H(S_i) / n), S = softmax(logits).

    z (B, N, C), adj (B, N, N), assignment_logits (B, N, K), mask (B, N), or all without B (adj then also sparse), to
    X' (B, K, C) and A' (B, K, K). The softmax runs over the clusters. The losses are means over the graphs of what each
    has by itself: see `groundup.functional.diff_pool`, also for how they differ from PyTorch Geometric's.
    """

    def forward(
        self,
        z: Float[Tensor, "*B N C"],
        adj: Float[Tensor, "*B N N"],
        assignment_logits: Float[Tensor, "*B N K"],
        mask: Bool[Tensor, "*B N"] | None = None,
    ) -> tuple[Float[Tensor, "*B K C"], Float[Tensor, "*B K K"], Float[Tensor, ""], Float[Tensor, ""]]:
        return diff_pool(z, adj, assignment_logits, mask)
