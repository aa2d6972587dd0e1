"""Graph cells on Cora (2,708 nodes, 10,556 edges, 1,433 features) against PyTorch Geometric's layers."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup import layers
from groundup.data import Graph, planetoid
from rows.peers import ready_torchvision
from rows.units import Apply, Unit


@cache
def cora() -> Graph:
    return planetoid("cora")


class OnCora(nn.Module):
    """A layer with the graph put in: an adjacency for ours, edges (from, to) for theirs."""

    def __init__(self, layer: nn.Module, graph: Tensor) -> None:
        super().__init__()
        self.layer, self.graph = layer, graph

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, self.graph)


def cell(name: str, peer: str, sizes: tuple[int, int], layout: str = "COO", **theirs: object) -> Row:
    """`layers.<name>` against `torch_geometric.nn.<peer>`; `theirs` are the peer's options that make it the same."""

    def inputs() -> list[Tensor]:
        return [cora().x if sizes[0] == 1433 else torch.randn(2708, sizes[0])]

    def ours() -> Unit:
        adjacency = cora().adj
        return Apply(
            OnCora(getattr(layers, name)(*sizes), adjacency if layout == "COO" else adjacency.to_sparse_csr()),
            inputs,
            True,
        )

    def peers() -> Unit:
        ready_torchvision()
        import torch_geometric.nn

        return Apply(OnCora(getattr(torch_geometric.nn, peer)(*sizes, **theirs), cora().edges.flip(0)), inputs, True)

    return Row(
        "graph",
        f"{name} {sizes[0]} → {sizes[1]}" + (", CSR" if layout == "CSR" else ""),
        size="Cora",
        work="forward + backward",
        against=f"PyG {peer}",
        ours=ours,
        peer=peers,
        limit=1.0,
        not_compiled="sparse tensors cannot be traced",
    )


ROWS = [
    row
    for sizes in ((1433, 16), (16, 7))
    for row in (
        cell("GCN_cell", "GCNConv", sizes),
        cell("Graph_cell", "GraphConv", sizes, aggr="mean"),
        cell("GraphSAGE_cell", "SAGEConv", sizes),
    )
] + [cell("GCN_cell", "GCNConv", (16, 7), "CSR")]
