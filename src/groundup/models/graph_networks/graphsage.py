"""GraphSAGE. Hamilton, Ying, Leskovec 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216.

    h⁰ = x ─ W¹ [h_v ; mean h_N(v)] ─ σ ─ h / ‖h‖ ─ W² [h_v ; mean h_N(v)] ─ h / ‖h‖ ─ z ─ linear ─ scores

Why: it learns how to aggregate neighbours instead of one vector per node, so that it can be applied to nodes and graphs
that were not in the training set. A node may aggregate a sample of its neighbours, a few per layer, so that the cost of
a step does not depend on the size of the graph.

Legend: B batch, N nodes, M output nodes, I features in, O out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import l2_normalize, relu
from groundup.layers import Dropout, GraphSAGE_cell, Linear
from groundup.models.presets import Presets
from groundup.weights import Pretrained


@component(
    92,
    "learned aggregation of neighbours, sampled for large graphs",
    paper="Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216",
    oracle="PyTorch Geometric's GraphSAGE; a loop over edges",
    example="GraphSAGE(16, 32, 32, num_classes=3)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
)
class GraphSAGE(Pretrained, Presets, nn.Module):
    """Algorithm 1: h_v ← σ(W [h_v ; h_N(v)]), h_v ← h_v / ‖h_v‖₂, `num_layers` times; z_v is the last one.

    Called with x (B, N, I) and a dense adj (B, N, N), or with x (N, I) and adj (N, N), dense or sparse; row i of adj
    holds the neighbours of node i. adj may be a list, one per layer, as `groundup.data.NeighbourSampler` draws them:
    (N, N₁) … (M, N_K), where the first nodes of each are those that aggregate; then the output is that of M nodes. mask
    (B, N) or (N,): True = a real node.

    σ is relu, and the identity in the last layer, as in the authors' code: otherwise an inner product of two z could
    not be negative. With normalize=False and no num_classes it is `torch_geometric.nn.models.GraphSAGE`.

    Args:
        in_features: I.
        hidden_features: the width of all layers but the last.
        out_features: O, the width of z.
        num_layers: K.
        aggregation: as for `GraphSAGE_cell`.
        normalize: divide h by its norm after each layer, line 7 of the algorithm.
        dropout: after all layers but the last.
        num_classes: add a linear layer on z. None: the output is z.
        device, dtype: of the parameters.

    Example:
        >>> model = GraphSAGE(5, 16, 3)
        >>> model(torch.randn(4, 5), torch.ones(4, 4)).shape
        torch.Size([4, 3])
    """

    #: The layer whose rows tell `from_pretrained` how many classes a file is for.
    classifier: ClassVar[str] = "head"

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int,
        num_layers: int = 2,
        aggregation: str = "mean",
        normalize: bool = True,
        dropout: float = 0.0,
        num_classes: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checks.integer("hidden_features", hidden_features)
        self.in_features = in_features
        self.num_classes = out_features if num_classes is None else num_classes
        widths = [in_features, *[hidden_features] * (checks.integer("num_layers", num_layers) - 1), out_features]
        self.convs = nn.ModuleList(
            GraphSAGE_cell(i, o, aggregation, device=device, dtype=dtype) for i, o in pairwise(widths)
        )
        self.normalize = normalize
        self.dropout = Dropout(dropout)
        self.head = None if num_classes is None else Linear(out_features, num_classes, device=device, dtype=dtype)

    def forward(
        self,
        x: Float[Tensor, "*B N I"],
        adj: Float[Tensor, "*B N N"] | Sequence[Tensor],
        mask: Bool[Tensor, "*B N"] | None = None,
    ) -> Float[Tensor, "*B M O"]:
        adjs = self._adjacencies(adj)
        last = len(self.convs) - 1
        for number, (conv, near) in enumerate(zip(self.convs, adjs)):
            x = conv(x, near, mask)
            mask = None if mask is None else mask[..., : x.size(-2)]
            x = x if number == last else relu(x)
            x = l2_normalize(x) if self.normalize else x
            x = x if number == last else self.dropout(x)
        return x if self.head is None else self.head(x)

    def _adjacencies(self, adj: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the adjacency of each layer."""
        if isinstance(adj, Tensor):
            return [adj] * len(self.convs)
        if len(adj) != len(self.convs):
            raise ValueError(
                f"adj must be one adjacency, or one for each of the {len(self.convs)} layers, got {len(adj)}: "
                "sample with as many fan-outs as the model has layers"
            )
        return adj
