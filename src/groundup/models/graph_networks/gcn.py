"""GCN. Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907.

    x ─ dropout ─ Â · W₀ ─ relu ─ dropout ─ Â · W₁ ─ scores of every node
    1433                    16                       7                      Cora, section 5.2

Â = D̃^-1/2 (A + I) D̃^-1/2 averages each node with its neighbours, so that a few labels reach the nodes around them.
Legend: B batch, N nodes, I features in, O features out.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import relu, tanh
from groundup.layers import Dropout, GCN_cell, Linear
from groundup.models.presets import Presets
from groundup.weights import Pretrained


@component(
    91,
    "classifies nodes from a few labels",
    paper=("Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907"),
    oracle="PyTorch Geometric's GCN; a loop over edges",
    example="GCN(1433, 16, 7)(torch.randn(1, 2708, 1433), torch.rand(1, 2708, 2708))",
    figures={"Cora, test accuracy": "81.5 %"},
)
class GCN(Pretrained, Presets, nn.Module):
    """Z = Â relu(Â X W₀) W₁, equation 9, and likewise for more layers; X dropped out before each (section 5.2).

    x (B, N, I) with a dense adj (B, N, N), or x (N, I), dense or sparse, with an adj (N, N), dense or sparse; row i
    gathers. mask (B, N) or (N,), True = a real node. Of a sparse x only what it holds is dropped, which is the same.

    The paper decays the weights of the first layer alone, by 5·10⁻⁴; its code has no biases, `bias=False`.
    Its parameters are those of `torch_geometric.nn.models.GCN`.

    num_classes   puts a linear layer on tanh(Z), as appendix A does, whose Z is a place in the plane; without it Z
                  itself is the scores
    """

    presets: ClassVar = {
        # 23,040 parameters; with biases 23,063
        "cora": {"in_features": 1433, "hidden_features": 16, "out_features": 7, "bias": False},
    }

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int,
        num_layers: int = 2,
        dropout: float = 0.5,
        bias: bool = True,
        num_classes: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checks.integer("hidden_features", hidden_features)
        self.in_features = in_features
        widths = [in_features, *[hidden_features] * (checks.integer("num_layers", num_layers) - 1), out_features]
        self.convs = nn.ModuleList(GCN_cell(i, o, bias, device, dtype) for i, o in pairwise(widths))
        self.dropout = Dropout(dropout)
        self.num_classes = out_features if num_classes is None else num_classes
        self.head = None if num_classes is None else Linear(out_features, num_classes, device=device, dtype=dtype)

    def forward(
        self, x: Float[Tensor, "*B N I"], adj: Float[Tensor, "*B N N"], mask: Bool[Tensor, "*B N"] | None = None
    ) -> Float[Tensor, "*B N O"]:
        z = self.forward_features(x, adj, mask)
        return z if self.head is None else self.head(tanh(z))

    def forward_features(
        self, x: Float[Tensor, "*B N I"], adj: Float[Tensor, "*B N N"], mask: Bool[Tensor, "*B N"] | None = None
    ) -> Float[Tensor, "*B N O"]:
        """Z, the output of the last graph convolution."""
        for number, conv in enumerate(self.convs):
            x = conv(self._dropped(relu(x) if number > 0 else x), adj, mask)
        return x

    def _dropped(self, x: Tensor) -> Tensor:
        if x.layout != torch.sparse_coo:
            return self.dropout(x)
        x = x.coalesce()
        return torch.sparse_coo_tensor(
            x.indices(), self.dropout(x.values()), x.shape, is_coalesced=True, check_invariants=False
        )
