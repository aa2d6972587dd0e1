"""Graph cells: from the features of a node and of its neighbours to the node's next features.

Graph_cell: after Morris et al. 2019, Weisfeiler and Leman Go Neural, arXiv:1810.02244;
GCN_cell: Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907;
GraphSAGE_cell: Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216.

Why: the nodes of a graph have no order, and each its own number of neighbours. A mean or a maximum over neighbours
depends on neither; each cell lets information travel one edge further.

Every cell is called as cell(x, adj, mask=None). Legend: B batch, N nodes, I and O features in and out.
x (B, N, I) with a dense adj (B, N, N), or x (N, I) with an adj (N, N), dense or sparse (COO or CSR). Row i of adj holds
the weights a_ij of the edges from nodes j to node i: graphs may be directed, and weights are not negative.
mask (B, N) or (N,), True = a real node: padded nodes give zeros, and neither they nor their edges change the others.
Graph_cell and GraphSAGE_cell also take x (N, I) with an adj (M, N), M < N: only the first M nodes are updated, to
y (M, O).
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
    """The sizes of a cell, and the checks of its inputs."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features)
        self.out_features = checks.integer("out_features", out_features)

    def check_and_blank(self, x: Tensor, adj: Tensor, mask: Tensor | None, partial: bool = True) -> Tensor:
        """Check the inputs, and return x with zeros for padded nodes."""
        check_graph(x, adj, mask, partial)
        checks.size("x", x, -1, self.in_features, "features")
        return blank(x, mask)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}"


def _combine_means(
    near: Linear, own: Linear | None, x: Tensor, adj: Tensor, mask: Tensor | None, with_self: bool = False
) -> Tensor:
    """Return W_near mean_j x_j + b + W_own x_i.

    If there are fewer features out than in, the mean of W_near x_j is taken, which is equal, and one product gives
    both.
    """
    if near.out_features >= near.in_features or adj.size(-2) < adj.size(-1):
        y = near(neighbour_mean(x, adj, mask, with_self))
        return y if own is None else y + own(_select_updated(x, adj))
    weights: list[Tensor] = [layer.weight for layer in (near, own) if layer is not None]
    projected = linear(x, torch.cat(weights)).split(near.out_features, -1)
    y = neighbour_mean(projected[0], adj, mask, with_self)
    for other in (*projected[1:], near.bias):
        y = y if other is None else y + other
    return y


def _select_updated(x: Tensor, adj: Tensor) -> Tensor:
    """Return the rows, of x or of a mask, of the nodes that are updated."""
    return x if adj.size(-2) == adj.size(-1) else x[: adj.size(0)]


@component(
    21,
    "graph convolution: a node and the mean of its neighbours",
    paper="Morris et al. 2019, Weisfeiler and Leman Go Neural, arXiv:1810.02244",
    oracle="PyTorch Geometric's GraphConv",
    example="Graph_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
)
class Graph_cell(_GraphCell):
    """y_i = W_rel mean_j x_j + W_root x_i + b, with mean_j x_j = Σ_j a_ij x_j / Σ_j a_ij

    Why two matrices: with one for both, a node could not tell its own features from those of its neighbours.

    Args:
        in_features, out_features: I and O.
        bias: False leaves out b.
        device, dtype: of the parameters.

    The mean of an isolated node is 0. W_rel and b are `lin_rel`, W_root is `lin_root`: the parameters of PyTorch
    Geometric's GraphConv, which adds up neighbours by default.

    Example:
        >>> Graph_cell(16, 32)(torch.randn(10, 16), torch.ones(10, 10)).shape
        torch.Size([10, 32])
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
        x = self.check_and_blank(x, adj, mask)
        y = _combine_means(self.lin_rel, self.lin_root, x, adj, mask)
        return y if mask is None else blank(y, _select_updated(mask, adj))


@component(
    22,
    "graph convolution, normalised by the degrees of both nodes",
    paper=("Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907"),
    oracle="PyTorch Geometric's GCNConv",
    example="GCN_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
)
class GCN_cell(_GraphCell):
    """Y = D̃^-1/2 Ã D̃^-1/2 X W + b, with Ã = A + I and D̃_ii = Σ_j Ã_ij                        (section 2.2)

    Why: I keeps a node's own features. Dividing by the degrees of both ends keeps the eigenvalues within (-1, 1], so
    that repeated layers do not make features grow, and nodes of many neighbours do not dominate.

    Args:
        in_features, out_features: I and O.
        bias: False leaves out b, as Kipf's own code does.
        device, dtype: of the parameters.

    W is `lin.weight` transposed, initialised by Glorot's uniform rule, b is 0 at first. A node with an edge to itself
    keeps its weight a_ii in place of the 1 of I, as in PyTorch Geometric's GCNConv, whose parameters these are. Nothing
    is cached between calls: A may change, and have a gradient. x may be sparse too, (N, I) in COO layout, for bags of
    words; it then takes no mask.

    Example:
        >>> GCN_cell(16, 32)(torch.randn(10, 16), torch.ones(10, 10)).shape
        torch.Size([10, 32])
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
        """Initialise W by Glorot's uniform rule, and b to 0."""
        init.xavier_uniform_(self.lin.weight)
        if self.bias is not None:
            init.constant_(self.bias, 0.0)

    def forward(
        self, x: Float[Tensor, "*B N I"], adj: Float[Tensor, "*B N N"], mask: Bool[Tensor, "*B N"] | None = None
    ) -> Float[Tensor, "*B N O"]:
        if x.layout != torch.strided:
            y = self._propagate_sparse(x, adj, mask)
            return y if self.bias is None else y + self.bias
        x = self.check_and_blank(x, adj, mask, partial=False)
        if self.out_features < self.in_features:  # the product is associative: the narrow side goes along the edges
            y = normalized_sum(self.lin(x), adj, mask)
        else:
            y = self.lin(normalized_sum(x, adj, mask))
        return blank(y if self.bias is None else y + self.bias, mask)

    def _propagate_sparse(self, x: Tensor, adj: Tensor, mask: Tensor | None) -> Float[Tensor, "N O"]:
        """Return D̃^-1/2 Ã D̃^-1/2 X W for a sparse X."""
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
    """y_v = W [h_v ; h_N(v)] = W_r h_v + W_l h_N(v) + b: line 5 of algorithm 1, without its σ

    h_N(v) is computed from the neighbours u of v, by `aggregation`:

        'mean'   Σ_u a_vu h_u / Σ_u a_vu
        'pool'   max_u relu(W_pool h_u + b_pool), feature by feature               equation 3
        'lstm'   the last h of an LSTM over the neighbours in random order; in eval mode in the order of their numbers
        'gcn'    the mean of v and its neighbours, and then y_v = W_l h_N(v) + b, without W_r               equation 2

    Why: the weights belong to features and not to nodes, so that the cell works on nodes and graphs that it has never
    seen. An LSTM depends on the order of its inputs, which neighbours do not have: a random order teaches it to ignore
    the order.

    Args:
        in_features, out_features: sizes of h_v and y_v.
        aggregation: "mean", "pool", "lstm" or "gcn".
        normalize: divide each y_v by its length; a zero row stays zero. Algorithm 1 does so after σ (line 7): for that
            order leave it False, and apply σ and then `groundup.functional.l2_normalize`.
        bias: False leaves out b.
        device, dtype: of the parameters.

    Weights a_vu scale the means; 'pool' and 'lstm' only ask which are not 0. h_N of an isolated node is 0. W_l and b
    are `lin_l`, W_r is `lin_r`, W_pool and b_pool are `lin`, as in PyTorch Geometric's SAGEConv.

    Differs from the authors' code, which concatenates two projections, of twice the width; the paper has one, of the
    width out_features.

    Example:
        >>> GraphSAGE_cell(16, 32, "pool")(torch.randn(10, 16), torch.ones(10, 10)).shape
        torch.Size([10, 32])
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
        """Return y; `generator` draws the order of neighbours for 'lstm' in training mode (None = PyTorch's own)."""
        x = self.check_and_blank(x, adj, mask)
        if self.aggregation in ("mean", "gcn"):
            y = _combine_means(self.lin_l, self.lin_r, x, adj, mask, with_self=self.aggregation == "gcn")
        else:
            y = self.lin_l(self._aggregate(x, adj, mask, generator))
            y = y if self.lin_r is None else y + self.lin_r(_select_updated(x, adj))
        y = l2_normalize(y) if self.normalize else y
        return y if mask is None else blank(y, _select_updated(mask, adj))

    def _aggregate(
        self, x: Tensor, adj: Tensor, mask: Tensor | None, generator: torch.Generator | None
    ) -> Float[Tensor, "*B M I"]:
        """Return h_N(v) of 'pool' and 'lstm'."""
        if self.lin is not None:
            return neighbour_max(relu(self.lin(x)), adj, mask)
        assert self.lstm is not None
        row, col = neighbours(adj, mask, self.training, generator)
        size = adj.shape[:-1]
        return _run_over_neighbours(self.lstm, x.flatten(0, -2), row, col, size.numel()).view(*size, x.size(-1))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.aggregation!r}" + (", normalize=True" if self.normalize else "")


def _run_over_neighbours(
    lstm: LSTM_cell, x: Float[Tensor, "N I"], row: Int[Tensor, " E"], col: Int[Tensor, " E"], size: int
) -> Float[Tensor, "M I"]:
    """Return h of the LSTM after the neighbours of each node, in the order given; zeros for a node without neighbours.

    Step t takes the nodes that have a neighbour number t. With the nodes in order of their degree these are always the
    first ones, so that nothing is padded to the largest degree: O(E) in all.
    """
    degree = torch.bincount(row, minlength=size)
    nodes = degree.argsort(descending=True, stable=True)
    rank = nodes.argsort()  # the place of each node in that order
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
