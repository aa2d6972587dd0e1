"""GIN. Xu, Hu, Leskovec, Jegelka 2019, How Powerful are Graph Neural Networks?, arXiv:1810.00826.

    x = h⁰ ─ layer ─ h¹ ─ layer ─ h² ─ layer ─ h³ ─ layer ─ h⁴
        │            │            │            │            │
       sum          sum          sum          sum          sum   over the nodes of each graph
        └── linear ──┴── linear ──┴── linear ──┴── linear ──┴── + ── scores

Why sums: they distinguish multisets of neighbours that have the same mean or maximum. With sums a network distinguishes
exactly the graphs that the Weisfeiler-Lehman test distinguishes; with means or maxima, fewer.

Legend: B batch, N nodes, I features in, O out, G graphs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, neighbour_sum, relu, segment_sum
from groundup.functional.graph import Edges, apply_to_real_nodes, blank, edges
from groundup.layers import BatchNorm1d, Dropout, Linear, ReLU
from groundup.models.presets import Presets
from groundup.rules.graphs import check_graph
from groundup.weights import Pretrained


class GINLayer(nn.Module):
    """h_v ← MLP((1 + ε) h_v + Σ_{u ∈ N(v)} a_vu h_u), equation 4.1; the MLP contains batch normalisation.

    Args:
        in_features: I.
        out_features: O, also the width inside the MLP.
        mlp_layers: linear layers of the MLP.
        eps: ε, the extra weight of the node itself.
        train_eps: True learns ε (GIN-ε), False keeps it at `eps` (GIN-0 for 0).
        device, dtype: of the parameters.

    Example:
        >>> GINLayer(5, 8)(torch.randn(4, 5), torch.ones(4, 4)).shape
        torch.Size([4, 8])
    """

    eps: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        mlp_layers: int = 2,
        eps: float = 0.0,
        train_eps: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.initial_eps = checks.real("eps", eps)
        value = torch.empty(1, device=device, dtype=dtype)
        if train_eps:
            self.eps = nn.Parameter(value)
        else:
            self.register_buffer("eps", value)
        widths = [
            checks.integer("in_features", in_features),
            *[out_features] * checks.integer("mlp_layers", mlp_layers),
        ]
        parts: list[nn.Module] = []
        for i, o in pairwise(widths):
            parts += [
                Linear(i, o, device=device, dtype=dtype),
                BatchNorm1d(o, device=device, dtype=dtype),
                ReLU(),
            ]
        self.mlp = nn.Sequential(*parts[:-2])  # linear last
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.constant_(self.eps, self.initial_eps)

    def forward(
        self, x: Float[Tensor, "*B N I"], adj: Float[Tensor, "*B N N"] | Edges, mask: Bool[Tensor, "*B N"] | None = None
    ) -> Float[Tensor, "*B N O"]:
        x = blank(x, mask)
        return apply_to_real_nodes(self.mlp, (1 + self.eps) * x + neighbour_sum(x, adj, mask), mask)


@component(
    93,
    "classifies graphs, as powerful as the Weisfeiler-Leman test",
    paper="Xu et al. 2019, How Powerful are Graph Neural Networks?, arXiv:1810.00826",
    oracle="PyTorch Geometric's GIN, sparse and dense",
    example="GIN(16, 32, 2)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
    figures={"MUTAG, PROTEINS, PTC, IMDB-B, 10-fold": "89.4, 76.2, 64.6, 75.1 %"},
)
class GIN(Pretrained, Presets, nn.Module):
    """Scores (G, num_classes) of whole graphs: Σ_k W_k readout(h^k) + b_k over all layers, k = 0 included.

    This is equation 4.2, whose concatenation is multiplied here part by part. Batch normalisation and relu follow each
    layer.

    Called with x (B, N, I), a dense adj (B, N, N) and mask (B, N), True = a real node; or with x (N, I), the nodes of
    all graphs, a sparse or dense block-diagonal adj (N, N), batch_index (N,), the graph of each node, and num_graphs.
    batch_index=None means one graph. Padded nodes change nothing, not even the statistics of the batch.

    Args:
        in_features: I.
        hidden_features: the width of each layer.
        num_classes: the number of scores.
        num_layers: counts h⁰, like the "5 layers (including the input layer)" of the paper (section 7).
        mlp_layers, train_eps: as for `GINLayer`.
        dropout: of the scores of each layer.
        readout: "sum", or "mean", which the paper uses for social networks.
        device, dtype: of the parameters.

    Example:
        >>> model = GIN(5, 16, 2)
        >>> model(torch.randn(3, 4, 5), torch.ones(3, 4, 4)).shape
        torch.Size([3, 2])
    """

    #: The layer whose rows tell `from_pretrained` how many classes a file is for.
    classifier: ClassVar[str] = "heads.0"

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        num_classes: int,
        num_layers: int = 5,
        mlp_layers: int = 2,
        train_eps: bool = False,
        dropout: float = 0.5,
        readout: str = "sum",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checks.integer("num_layers", num_layers, 2)
        self.in_features = checks.integer("in_features", in_features)
        self.readout = checks.choice("readout", readout, ("sum", "mean"))
        widths = [in_features, *[checks.integer("hidden_features", hidden_features)] * (num_layers - 1)]
        self.layers = nn.ModuleList(
            GINLayer(i, o, mlp_layers, train_eps=train_eps, device=device, dtype=dtype) for i, o in pairwise(widths)
        )
        self.norms = nn.ModuleList(BatchNorm1d(w, device=device, dtype=dtype) for w in widths[1:])
        self.num_classes = checks.integer("num_classes", num_classes)
        self.heads = nn.ModuleList(Linear(w, num_classes, device=device, dtype=dtype) for w in widths)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "*B N I"],
        adj: Float[Tensor, "*B N N"],
        batch_index: Int[Tensor, " N"] | None = None,
        num_graphs: int | None = None,
        mask: Bool[Tensor, "*B N"] | None = None,
    ) -> Float[Tensor, "G classes"]:
        check_graph(x, adj, mask)
        checks.size("x", x, -1, self.in_features, "features")
        if batch_index is not None and x.dim() != 2:
            raise ValueError("batch_index is for x (N, I); the graphs of a batch (B, N, I) are separate already")
        near = adj if adj.layout == torch.strided else edges(adj, ordered=True)
        scores = self.dropout(self.heads[0](self._pool(blank(x, mask), batch_index, num_graphs, mask)))
        for layer, norm, head in zip(self.layers, self.norms, list(self.heads)[1:]):
            x = apply_to_real_nodes(lambda rows, norm=norm: relu(norm(rows)), layer(x, near, mask), mask)  # type: ignore[misc]
            scores = scores + self.dropout(head(self._pool(x, batch_index, num_graphs, mask)))
        return scores

    def _pool(
        self, x: Tensor, batch_index: Tensor | None, num_graphs: int | None, mask: Tensor | None
    ) -> Float[Tensor, "G C"]:
        """Return the sum or the mean over the real nodes of each graph; zeros for a graph without any."""
        total = _sum_nodes(x, batch_index, num_graphs)
        if self.readout == "sum":
            return total
        ones = x.new_ones(*x.shape[:-1], 1) if mask is None else mask[..., None].to(x.dtype)
        count = _sum_nodes(ones, batch_index, num_graphs)
        return total / torch.where(count > 0, count, 1)


def _sum_nodes(x: Float[Tensor, "*B N C"], batch_index: Tensor | None, num_graphs: int | None) -> Float[Tensor, "G C"]:
    """Return the sum over the nodes of each graph."""
    if batch_index is not None:
        return segment_sum(x, batch_index, num_graphs)
    return x.sum(-2) if x.dim() == 3 else x.sum(-2, keepdim=True)
