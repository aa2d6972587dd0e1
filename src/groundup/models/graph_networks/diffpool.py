"""DiffPoolNet. Ying et al. 2018, Hierarchical Graph Representation Learning with Differentiable Pooling, 1806.08804.

    x, A ─┬─ embed ─── z ──┬─ DiffPool ─ x', A' ─ embed ─ z' ─ …
          └─ assign ── S ──┘
             max over nodes of z, of z', … side by side ─ linear ─ relu ─ linear ─ scores

Why: a sum or maximum over all nodes at once discards the structure of the graph. Each level sums the nodes into fewer
clusters, and a second network learns the assignment, so that the hierarchy fits the task. Embed and assign are three
GraphSAGE layers each, whose outputs are concatenated.

Legend: B batch, N nodes, I features in, H hidden, L layers, K clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import l2_normalize, relu
from groundup.functional.graph import apply_to_real_nodes
from groundup.layers import BatchNorm1d, DiffPool, Dropout, GraphSAGE_cell, Linear, ReLU
from groundup.models.presets import Presets
from groundup.weights import Pretrained


class DiffPoolOutputs(NamedTuple):
    """Scores (B, num_classes), and the mean link and entropy losses of the levels, to be added to the loss."""

    logits: Tensor
    link_loss: Tensor
    entropy_loss: Tensor


class SAGEStack(nn.Module):
    """x (B, N, I) → (B, N, L·H): the concatenated outputs of L layers, each h ← BN(h / ‖h‖₂), h = relu(W [h ; h_N])."""

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        num_layers: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        widths = [in_features, *[hidden_features] * (num_layers - 1)]
        self.convs = nn.ModuleList(GraphSAGE_cell(w, hidden_features, device=device, dtype=dtype) for w in widths)
        self.norms = nn.ModuleList(BatchNorm1d(hidden_features, device=device, dtype=dtype) for _ in widths)

    def forward(
        self, x: Float[Tensor, "B N I"], adj: Float[Tensor, "B N N"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B N LH"]:
        outputs = []
        for conv, norm in zip(self.convs, self.norms):
            x = apply_to_real_nodes(norm, l2_normalize(relu(conv(x, adj, mask))), mask)
            outputs.append(x)
        return torch.cat(outputs, -1)


@component(
    94,
    "classifies graphs by coarsening them step by step",
    paper=(
        "Ying et al. 2018, Hierarchical Graph Representation Learning with Differentiable Pooling, arXiv:1806.08804"
    ),
    oracle="PyTorch Geometric's DenseSAGEConv and dense_diff_pool",
    example="DiffPoolNet(16, 32, 6)(torch.randn(1, 40, 16), torch.rand(1, 40, 40))",
    figures={"ENZYMES, 10-fold": "62.53 %"},
)
class DiffPoolNet(Pretrained, Presets, nn.Module):
    """Scores of whole graphs, with the two losses of the assignments: `DiffPoolOutputs`.

    Called with x (B, N, I), a dense adj (B, N, N), whose row i holds the neighbours of node i, and mask (B, N), True =
    a real node. Padded nodes change nothing.

    The logits of the assignment are the outputs of a linear layer, not the normalised outputs of GraphSAGE, whose
    length 1 would keep the assignment from being certain.

    Args:
        in_features: I.
        hidden_features: H, the width of each layer.
        num_classes: the number of scores.
        clusters: their number at each level, as (12,) or (25, 6): about a tenth of the largest graph for one level, a
            quarter per level for two (section 4.1).
        num_layers: L, the layers of embed and of assign.
        dropout: before the last linear layer.
        device, dtype: of the parameters.

    Example:
        >>> model = DiffPoolNet(5, 8, num_classes=2, clusters=(3,))
        >>> model(torch.randn(4, 10, 5), torch.ones(4, 10, 10)).logits.shape
        torch.Size([4, 2])
    """

    #: The layer whose rows tell `from_pretrained` how many classes a file is for.
    classifier: ClassVar[str] = "head.3"

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        num_classes: int,
        clusters: Sequence[int] = (12,),
        num_layers: int = 3,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features)
        if isinstance(clusters, int) or not clusters:
            raise ValueError(f"clusters must be a number per level, as (12,), got {clusters!r}")
        checks.integer("hidden_features", hidden_features)
        self.num_classes = checks.integer("num_classes", num_classes)
        width = hidden_features * checks.integer("num_layers", num_layers)
        inputs = [in_features] + [width] * len(clusters)
        self.embed = nn.ModuleList(SAGEStack(i, hidden_features, num_layers, device, dtype) for i in inputs)
        self.assign = nn.ModuleList(SAGEStack(i, hidden_features, num_layers, device, dtype) for i in inputs[:-1])
        self.logits = nn.ModuleList(
            Linear(width, checks.integer("clusters", k), device=device, dtype=dtype) for k in clusters
        )
        self.pool = DiffPool()
        self.head = nn.Sequential(
            Linear(width * len(inputs), hidden_features, device=device, dtype=dtype),
            ReLU(),
            Dropout(dropout),
            Linear(hidden_features, num_classes, device=device, dtype=dtype),
        )

    def forward(
        self, x: Float[Tensor, "B N I"], adj: Float[Tensor, "B N N"], mask: Bool[Tensor, "B N"] | None = None
    ) -> DiffPoolOutputs:
        checks.rank("x", checks.floating("x", x), 3, layout="(B, N, I)")
        checks.size("x", x, -1, self.in_features, "features")
        z = self.embed[0](x, adj, mask)
        tops, links, entropies = [_max_nodes(z, mask)], [], []
        for assign, logits, embed in zip(self.assign, self.logits, list(self.embed)[1:]):
            x, adj, link, entropy = self.pool(z, adj, logits(assign(x, adj, mask)), mask)
            mask = None  # clusters are all real
            z = embed(x, adj)
            tops.append(_max_nodes(z, None))
            links.append(link)
            entropies.append(entropy)
        scores = self.head(torch.cat(tops, -1))
        return DiffPoolOutputs(scores, torch.stack(links).mean(), torch.stack(entropies).mean())


def _max_nodes(z: Float[Tensor, "B N C"], mask: Bool[Tensor, "B N"] | None) -> Float[Tensor, "B C"]:
    """Return the maximum of each feature over the real nodes; zeros for a graph without any."""
    if z.size(1) == 0:
        return z.new_zeros(z.size(0), z.size(2))
    top = (z if mask is None else torch.where(mask[..., None], z, -torch.inf)).amax(1)
    return torch.where(top == -torch.inf, 0, top)
