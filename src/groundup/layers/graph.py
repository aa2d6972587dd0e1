"""Graph cells: a node's features and its neighbours', to its next features.

Graph_cell: after Morris et al. 2019, Weisfeiler and Leman Go Neural, arXiv:1810.02244;
GCN_cell: Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907;
GraphSAGE_cell: Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216.

Every cell is called as cell(x, adj, mask=None). Legend: B batch, N nodes, I and O features in and out.
x (B, N, I) with a dense adj (B, N, N), or x (N, I) with an adj (N, N), dense or sparse (COO or CSR). Row i of adj holds
the weights a_ij of what node i gathers from node j: graphs may be directed, and weights are not negative.
mask (B, N) or (N,), True = a real node: padded nodes give zeros, and neither they nor their edges change the others.
Graph_cell and GraphSAGE_cell also take x (N, I) with an adj (M, N), M < N: the first M nodes gather, to y (M, O).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.activations import relu
from groundup.functional.graph import (
    blank,
    l2_normalize,
    neighbour_max,
    neighbour_mean,
    neighbours,
    normalized_sum,
    sparse_linear,
)
from groundup.functional.linear import linear
from groundup.layers.linear import Linear
from groundup.layers.recurrent_cells import LSTM_cell
from groundup.rules.graphs import check_graph


class _GraphCell(nn.Module):
    """The frame: sizes, and the checks of what is passed in."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features)
        self.out_features = checks.integer("out_features", out_features)

    def prepared(self, x: Tensor, adj: Tensor, mask: Tensor | None, partial: bool = True) -> Tensor:
        """x with zeros for padded nodes, after the checks."""
        check_graph(x, adj, mask, partial)
        checks.size("x", x, -1, self.in_features, "features")
        return blank(x, mask)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}"


def _mean_and_own(
    near: Linear, own: Linear | None, x: Tensor, adj: Tensor, mask: Tensor | None, with_self: bool = False
) -> Tensor:
    """W_near mean_j x_j + b + W_own x_i.

    Where the outputs have fewer features, it is the mean of W_near x_j, which is equal, and one product gives both.
    """
    if near.out_features >= near.in_features or adj.size(-2) < adj.size(-1):
        y = near(neighbour_mean(x, adj, mask, with_self))
        return y if own is None else y + own(_gathering(x, adj))
    weights: list[Tensor] = [layer.weight for layer in (near, own) if layer is not None]
    projected = linear(x, torch.cat(weights)).split(near.out_features, -1)
    y = neighbour_mean(projected[0], adj, mask, with_self)
    for other in (*projected[1:], near.bias):
        y = y if other is None else y + other
    return y


def _gathering(x: Tensor, adj: Tensor) -> Tensor:
    """The rows, of x or of a mask, of the nodes that gather."""
    return x if adj.size(-2) == adj.size(-1) else x[: adj.size(0)]


@component(
    21,
    "graph convolution: a node and the mean of its neighbours",
    paper="Morris et al. 2019, Weisfeiler and Leman Go Neural, arXiv:1810.02244",
    oracle="PyTorch Geometric's GraphConv",
    example="Graph_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
)
class Graph_cell(_GraphCell):
    """y_i = W_rel mean_j x_j + W_root x_i + b with mean_j x_j = Σ_j a_ij x_j / Σ_j a_ij, zero for an isolated node.

    W_rel and b are `lin_rel`, W_root is `lin_root`. Its parameters are those of PyTorch Geometric's GraphConv.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features)
        self.lin_rel = Linear(in_features, out_features, bias, device, dtype)
        self.lin_root = Linear(in_features, out_features, False, device, dtype)

    def forward(
        self, x: Float[Tensor, "*B N I"], adj: Float[Tensor, "*B M N"], mask: Bool[Tensor, "*B N"] | None = None
    ) -> Float[Tensor, "*B M O"]:
        x = self.prepared(x, adj, mask)
        y = _mean_and_own(self.lin_rel, self.lin_root, x, adj, mask)
        return y if mask is None else blank(y, _gathering(mask, adj))


@component(
    22,
    "graph convolution, normalised by the degrees of both nodes",
    paper=("Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907"),
    oracle="PyTorch Geometric's GCNConv",
    example="GCN_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
)
class GCN_cell(_GraphCell):
    """Y = D̃^-1/2 Ã D̃^-1/2 X W + b, Ã = A + I, D̃_ii = Σ_j Ã_ij; X W + b for an isolated node.

    A node with an edge to itself keeps that one's weight, a_ii, in place of the 1 that I adds, dense and sparse alike
    (as PyTorch Geometric's GCNConv, whose parameters these are). Nothing is kept from call to call: A may change, and
    be differentiated. W is `lin.weight` transposed, begins Glorot-uniform, b at zero; Kipf's own code has no b.

    x may be sparse too, (N, I) in COO layout, as bags of words are; it then takes no mask.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features)
        self.lin = Linear(in_features, out_features, False, device, dtype)
        value = torch.empty(out_features, device=device, dtype=dtype) if bias else None
        self.register_parameter("bias", None if value is None else nn.Parameter(value))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.xavier_uniform_(self.lin.weight)
        if self.bias is not None:
            init.constant_(self.bias, 0.0)

    def forward(
        self, x: Float[Tensor, "*B N I"], adj: Float[Tensor, "*B N N"], mask: Bool[Tensor, "*B N"] | None = None
    ) -> Float[Tensor, "*B N O"]:
        if x.layout != torch.strided:
            y = self._of_sparse(x, adj, mask)
            return y if self.bias is None else y + self.bias
        x = self.prepared(x, adj, mask, partial=False)
        if self.out_features < self.in_features:  # the product is associative: the narrow side goes along the edges
            y = normalized_sum(self.lin(x), adj, mask)
        else:
            y = self.lin(normalized_sum(x, adj, mask))
        return blank(y if self.bias is None else y + self.bias, mask)

    def _of_sparse(self, x: Tensor, adj: Tensor, mask: Tensor | None) -> Float[Tensor, "N O"]:
        if x.layout != torch.sparse_coo or mask is not None:
            raise TypeError(f"x must be dense, or sparse COO with no mask, got {x.layout} and mask {mask is not None}")
        checks.size("x", x, -1, self.in_features, "features")
        return normalized_sum(sparse_linear(x, self.lin.weight), adj)


@component(
    23,
    "graph convolution with mean, pool, gcn or lstm aggregation",
    paper="Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216",
    oracle="PyTorch Geometric's SAGEConv; a loop",
    example="GraphSAGE_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
)
class GraphSAGE_cell(_GraphCell):
    """y_v = W [h_v ; h_N(v)] = W_r h_v + W_l h_N(v) + b: line 5 of algorithm 1, without its σ.

    h_N(v), by `aggregation`:

    'mean'   Σ_u a_vu h_u / Σ_u a_vu
    'pool'   max_u relu(W_pool h_u + b_pool), feature by feature               equation 3
    'lstm'   an LSTM's last h after the neighbours in random order; in eval mode in the order of their numbers
    'gcn'    the mean of v and its neighbours, and then y_v = W_l h_N(v) + b, with no W_r               equation 2

    Weights a_vu weigh the means; 'pool' and 'lstm' only ask which are not 0. An isolated node's h_N is zero.
    W_l and b are `lin_l`, W_r is `lin_r`, W_pool and b_pool are `lin`, named as in PyTorch Geometric's SAGEConv. (The
    authors' code concatenates two projections, of twice the width; the paper has one, of the width out_features.)

    normalize=True divides each y_v by its length; a zero row stays zero. Algorithm 1 does so after σ (line 7): for the
    paper's order leave it False, and apply your σ and then `groundup.functional.l2_normalize`.
    """

    lin_r: Linear | None
    lin: Linear | None
    lstm: LSTM_cell | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        aggregation: str = "mean",
        normalize: bool = False,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features)
        self.aggregation = checks.choice("aggregation", aggregation, ("mean", "pool", "gcn", "lstm"))
        self.normalize = normalize
        self.lin_l = Linear(in_features, out_features, bias, device, dtype)
        self.lin_r = None if aggregation == "gcn" else Linear(in_features, out_features, False, device, dtype)
        self.lin = Linear(in_features, in_features, True, device, dtype) if aggregation == "pool" else None
        self.lstm = LSTM_cell(in_features, in_features, True, device, dtype) if aggregation == "lstm" else None

    def forward(
        self,
        x: Float[Tensor, "*B N I"],
        adj: Float[Tensor, "*B M N"],
        mask: Bool[Tensor, "*B N"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B M O"]:
        """`generator` draws the order of the neighbours for 'lstm' when training; PyTorch's own if None."""
        x = self.prepared(x, adj, mask)
        if self.aggregation in ("mean", "gcn"):
            y = _mean_and_own(self.lin_l, self.lin_r, x, adj, mask, with_self=self.aggregation == "gcn")
        else:
            y = self.lin_l(self._gathered(x, adj, mask, generator))
            y = y if self.lin_r is None else y + self.lin_r(_gathering(x, adj))
        y = l2_normalize(y) if self.normalize else y
        return y if mask is None else blank(y, _gathering(mask, adj))

    def _gathered(
        self, x: Tensor, adj: Tensor, mask: Tensor | None, generator: torch.Generator | None
    ) -> Float[Tensor, "*B M I"]:
        """h_N(v) of 'pool' and 'lstm'."""
        if self.lin is not None:
            return neighbour_max(relu(self.lin(x)), adj, mask)
        assert self.lstm is not None
        row, col = neighbours(adj, mask, self.training, generator)
        size = adj.shape[:-1]
        return _last_states(self.lstm, x.flatten(0, -2), row, col, size.numel()).view(*size, x.size(-1))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.aggregation!r}" + (", normalize=True" if self.normalize else "")


def _last_states(
    lstm: LSTM_cell, x: Float[Tensor, "N I"], row: Int[Tensor, " E"], col: Int[Tensor, " E"], size: int
) -> Float[Tensor, "M I"]:
    """h of the LSTM after the neighbours of each node, in the order given; zeros for a node with none.

    Step t takes the nodes that have a neighbour number t. With the nodes in order of their degree these are always
    the first ones, so nothing is padded to the largest degree: O(E) in all.
    """
    degree = torch.bincount(row, minlength=size)
    nodes = degree.argsort(descending=True, stable=True)
    rank = nodes.argsort()  # where each node stands in that order
    turn = torch.arange(row.numel(), device=row.device) - (degree.cumsum(0) - degree)[row]
    by_turn = (turn * size + rank[row]).argsort()
    steps = x.index_select(0, col[by_turn]).split(torch.bincount(turn).tolist())
    h = c = x.new_zeros(size, x.size(1))
    done = []
    for step in steps if row.numel() > 0 else ():
        active = step.size(0)
        done.append(h[active:])
        h, c = lstm(step, (h[:active], c[:active]))
    return torch.cat([h, *reversed(done)]).index_select(0, rank)
