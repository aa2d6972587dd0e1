"""Graph pooling: to one vector per graph (BatchAddPool), or to a smaller graph (DiffPool).

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
    """y_g = Σ_{n in graph g} x_n

    Why a sum: a mean or a maximum cannot tell a graph from the same graph twice; a sum can, because it counts.

    It has no arguments and no parameters.

    Example:
        >>> import torch
        >>> BatchAddPool()(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 1, 0]))
        tensor([[4.],
                [2.]])
    """

    def forward(
        self, x: Float[Tensor, "N C"], batch_index: Int[Tensor, " N"] | None = None, num_graphs: int | None = None
    ) -> Float[Tensor, "G C"]:
        """Return one row per graph.

        Args: x: the nodes of all graphs, in any order. batch_index: the graph of each node; None = all belong to one.
            num_graphs: G; None is the largest index plus one, which reads the values, and leaves out graphs without
            nodes after it.

        Raises:
            ValueError: an index is outside [0, num_graphs). On a GPU the device's own assertion fails instead.
        """
        if batch_index is not None:
            return segment_sum(x, batch_index, num_graphs)
        checks.rank("x", checks.floating("x", x), 2, layout="(N, C)")
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
    """(X', A', link loss, entropy loss) = (Sᵀ Z, Sᵀ A S, ‖A - S Sᵀ‖_F / n², Σ_i H(S_i) / n), with S = softmax(logits)

    Why: S assigns each node to clusters, softly, so that gradients reach the assignment and the hierarchy of a graph is
    learned. `groundup.functional.diff_pool` has the equations, why there are two losses, and how they differ from
    PyTorch Geometric's.

    It has no arguments and no parameters. z (B, N, C), adj (B, N, N), assignment_logits (B, N, K), mask (B, N), or all
    without B (adj may then be sparse) -> X' (B, K, C), A' (B, K, K), and two losses, means over the graphs.

    Example:
        >>> import torch
        >>> x, adj, link_loss, entropy_loss = DiffPool()(torch.randn(10, 16), torch.ones(10, 10), torch.randn(10, 4))
        >>> x.shape, adj.shape
        (torch.Size([4, 16]), torch.Size([4, 4]))
    """

    def forward(
        self,
        z: Float[Tensor, "*B N C"],
        adj: Float[Tensor, "*B N N"],
        assignment_logits: Float[Tensor, "*B N K"],
        mask: Bool[Tensor, "*B N"] | None = None,
    ) -> tuple[Float[Tensor, "*B K C"], Float[Tensor, "*B K K"], Float[Tensor, ""], Float[Tensor, ""]]:
        return diff_pool(z, adj, assignment_logits, mask)
