"""GCN. Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907.

    x ─ dropout ─ Â · W₀ ─ relu ─ dropout ─ Â · W₁ ─ scores of every node
    1433                    16                       7                      Cora, section 5.2

Why Â = D̃^-1/2 (A + I) D̃^-1/2: it averages each node with its neighbours, so that a few labels reach the nodes around
them. Without the self-loop I a node would not see its own features; without the degrees D̃, the features of nodes with
many neighbours would grow with every layer.
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
    """Z = Â relu(Â X W₀) W₁, equation 9, and likewise for more layers, with dropout before each (section 5.2).

    Called with x (B, N, I) and a dense adj (B, N, N), or with x (N, I) and adj (N, N), each dense or sparse; row i of
    adj holds the neighbours of node i. mask (B, N) or (N,): True = a real node. Returns (B, N, O) or (N, O).

    The paper decays only the weights of the first layer, by 5·10⁻⁴; its code has no biases, `bias=False`. The
    parameters are those of `torch_geometric.nn.models.GCN`.

    Args:
        in_features: I.
        hidden_features: the width of all layers but the last.
        out_features: O, the width of Z.
        num_layers: the number of graph convolutions.
        dropout: before each layer.
        bias: of each layer.
        num_classes: add a linear layer on tanh(Z), as appendix A does, where Z is a place in the plane. None: Z are the
            scores.
        device, dtype: of the parameters.

    Example:
        >>> model = GCN(5, 16, 3)
        >>> model(torch.randn(4, 5), torch.ones(4, 4)).shape
        torch.Size([4, 3])
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
        """Return Z, the output of the last graph convolution."""
        for number, conv in enumerate(self.convs):
            x = conv(self._drop(relu(x) if number > 0 else x), adj, mask)
        return x

    def _drop(self, x: Tensor) -> Tensor:
        if x.layout != torch.sparse_coo:
            return self.dropout(x)
        x = x.coalesce()
        return torch.sparse_coo_tensor(
            x.indices(), self.dropout(x.values()), x.shape, is_coalesced=True, check_invariants=False
        )
