"""Graph networks, an epoch each, against PyTorch Geometric's: GCN on Cora, GIN on PROTEINS, sampled GraphSAGE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup.data import Graph, GraphSet, Loader, NeighbourSampler, NodeSet, gin_graphs, planetoid, planted_graph
from groundup.functional import cross_entropy
from groundup.models.graph_networks import GCN, GIN, GraphSAGE
from groundup.optimizers import Adam
from rows.peers import ready_torchvision
from rows.units import Unit, fill

UNTRACED = "sparse tensors cannot be traced"
Batches = Callable[
    [], Iterable[tuple[tuple[Any, ...], Tensor, Any]]
]  # what a model is called with, labels, which count


class Epoch(Unit):
    """An epoch of training over what `batches` yields; the outcome is of `checked` batches, where nothing is drawn."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[..., torch.optim.Optimizer],
        loss: Callable[[Tensor, Tensor], Tensor],
        batches: Batches,
        checked: Batches | None = None,
    ) -> None:
        fill(model)
        self.model, self.loss, self.batches, self.checked = model, loss, batches, checked or batches
        self.optimizer = optimizer(model.parameters(), lr=0.01)

    def run(self) -> Sequence[Tensor]:
        self.model.train()
        for inputs, y, counted in self.batches():
            self.optimizer.zero_grad()
            self.loss(self.model(*inputs)[counted], y).backward()
            self.optimizer.step()
        return ()

    def outcome(self) -> list[Tensor]:
        """Scores of every batch, without dropout, and the sum of their gradients."""
        self.model.eval()
        self.model.zero_grad()
        scores = []
        for inputs, y, counted in self.checked():
            scores.append(self.model(*inputs)[counted])
            self.loss(scores[-1], y).backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return [torch.cat(scores), *gradients]

    def compile(self) -> None:
        raise NotImplementedError(UNTRACED)


def row(
    name: str, size: str, against: str, ours: Callable[[], Unit], peer: Callable[[], Unit], limit: float = 0.8
) -> Row:
    def theirs() -> Unit:
        ready_torchvision()
        return peer()

    return Row(
        "graph",
        name,
        size=size,
        work="an epoch",
        against=against,
        ours=ours,
        peer=theirs,
        limit=limit,
        tolerance=1e-3,
        not_compiled=UNTRACED,
    )


# ---- GCN on Cora: the whole graph a step, dropout 0.5 -------------------------------------------------------------


@cache
def cora() -> Graph:
    graph = planetoid()
    return Graph(graph.x / graph.x.sum(1, keepdim=True), graph.adj, graph.y, graph.masks)


def gcn_ours() -> Unit:
    graph, train = cora(), cora().masks["train"]
    x = graph.x.to_sparse()
    return Epoch(GCN(1433, 16, 7), Adam, cross_entropy, lambda: [((x, graph.adj), graph.y[train], train)])


def gcn_theirs() -> Unit:
    from torch_geometric.nn.models import GCN as Theirs

    graph, train = cora(), cora().masks["train"]
    x, edges = graph.x, graph.edges.flip(0)
    model = Theirs(1433, 16, 2, 7, dropout=0.5, cached=True)
    return Epoch(model, torch.optim.Adam, nn.functional.cross_entropy, lambda: [((x, edges), graph.y[train], train)])


# ---- GIN on PROTEINS: 1,113 graphs, 128 a batch -------------------------------------------------------------------


class TheirGIN(nn.Module):
    """Equation 4.2 of PyTorch Geometric's parts."""

    def __init__(self, features: int, hidden: int, classes: int, layers: int = 5) -> None:
        super().__init__()
        from torch_geometric.nn import GINConv

        widths = [features] + [hidden] * (layers - 1)
        self.convs, self.norms, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for width in widths[:-1]:
            parts = nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, hidden)
            self.convs.append(GINConv(nn.Sequential(*parts)))
            self.norms.append(nn.BatchNorm1d(hidden))
        self.heads.extend(nn.Linear(width, classes) for width in widths)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, edges: Tensor, batch: Tensor, size: int) -> Tensor:
        from torch_geometric.nn import global_add_pool

        scores = self.dropout(self.heads[0](global_add_pool(x, batch, size)))
        for conv, norm, head in zip(self.convs, self.norms, list(self.heads)[1:]):
            x = torch.relu(norm(conv(x, edges)))
            scores = scores + self.dropout(head(global_add_pool(x, batch, size)))
        return scores


@cache
def proteins() -> GraphSet:
    return gin_graphs("PROTEINS")


def gin_ours() -> Unit:
    loader = Loader(proteins(), 128)
    batches = lambda: (((b.x, b.adj, b.batch_index, b.num_graphs), b.y, slice(None)) for b in loader)  # noqa: E731
    return Epoch(GIN(3, 32, 2), Adam, cross_entropy, batches)


def gin_theirs() -> Unit:
    from torch_geometric.loader import DataLoader

    loader = DataLoader([graph.to_pyg() for graph in proteins()], 128)
    batches = lambda: (((b.x, b.edge_index, b.batch, b.num_graphs), b.y, slice(None)) for b in loader)  # noqa: E731
    return Epoch(TheirGIN(3, 32, 2), torch.optim.Adam, nn.functional.cross_entropy, batches)


# ---- GraphSAGE on a planted graph: 2,048 nodes, 512 a step, two layers --------------------------------------------

FAN_OUTS, ALL, ASKED = (10, 10), (10**6, 10**6), 2048


@cache
def planted() -> Graph:
    return planted_graph(20_000, 200_000)


def samples(fan_outs: tuple[int, int]) -> Loader:
    nodes = torch.arange(0, 20_000, 20_000 // ASKED)[:ASKED]
    return Loader(NodeSet(nodes, planted().y[nodes]), 512, transform=NeighbourSampler(planted(), fan_outs))


def sage_ours() -> Unit:
    def of(loader: Loader) -> Batches:
        def batches() -> Iterable[Any]:
            loader.seek(0)  # the same draws each time, as the peer's
            return (((s.x, s.adjs), y, slice(None)) for s, y in loader)

        return batches

    # Checked with all neighbours, where there is nothing to draw.
    model = GraphSAGE(16, 64, 10, normalize=False)
    return Epoch(model, Adam, cross_entropy, of(samples(FAN_OUTS)), lambda: list(first(of(samples(ALL))())))


def their_sage() -> nn.Module:
    from torch_geometric.nn.models import GraphSAGE as Theirs

    return Theirs(16, 64, 2, 10)


def sage_of_all() -> Unit:
    """PyTorch Geometric's way without compiled samplers: every neighbour of two hops, in pure Python."""
    from torch_geometric.utils import k_hop_subgraph

    graph = planted()
    edges = graph.edges.flip(0)

    def batches() -> Iterable[Any]:
        for nodes, y in Loader(NodeSet(*nodes_of(samples(FAN_OUTS))), 512):
            near, local, place, _ = k_hop_subgraph(nodes, 2, edges, relabel_nodes=True, num_nodes=len(graph.x))
            yield (graph.x[near], local), y, place

    return Epoch(their_sage(), torch.optim.Adam, nn.functional.cross_entropy, batches, lambda: list(first(batches())))


class OnSamples(nn.Module):
    """PyTorch Geometric's GraphSAGE on our samples, each layer of fewer nodes, as its own samplers hand them out."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = their_sage().convs

    def forward(self, x: Tensor, edges: list[tuple[Tensor, int]]) -> Tensor:
        for number, (conv, (index, size)) in enumerate(zip(self.convs, edges)):
            x = conv((x, x[:size]), index)
            x = torch.relu(x) if number + 1 < len(edges) else x
        return x


def sage_on_samples() -> Unit:
    def of(loader: Loader) -> Batches:
        def batches() -> Iterable[Any]:
            loader.seek(0)
            for sample, y in loader:
                edges = [(adj.indices().flip(0), adj.size(0)) for adj in sample.adjs]
                yield (sample.x, edges), y, slice(None)

        return batches

    checked = lambda: list(first(of(samples(ALL))()))  # noqa: E731
    return Epoch(OnSamples(), torch.optim.Adam, nn.functional.cross_entropy, of(samples(FAN_OUTS)), checked)


def nodes_of(loader: Loader) -> tuple[Tensor, Tensor]:
    data: Any = loader.dataset
    return data.nodes, data.y


def first(batches: Iterable[Any]) -> Iterable[Any]:
    for batch in batches:
        yield batch
        return


PLANTED = "20,000 nodes, 197,000 edges; 2,048 asked, 10 + 10 neighbours"
ROWS = [
    row("GCN 1433 → 16 → 7", "Cora", "PyG GCN, cached", gcn_ours, gcn_theirs),
    row("GIN, 5 layers of 32", "PROTEINS, 128 a batch", "PyG GINConv, DataLoader", gin_ours, gin_theirs),
    row("GraphSAGE, sampled", PLANTED, "PyG GraphSAGE, k_hop_subgraph (all neighbours)", sage_ours, sage_of_all),
    row("GraphSAGE, sampled", PLANTED, "PyG GraphSAGE, on our samples", sage_ours, sage_on_samples, limit=1.0),
]
