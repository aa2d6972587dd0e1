"""The graph cells as loops over graphs, nodes and edges, with torch.nn's layers; a test graph in each layout."""

import warnings
from itertools import pairwise

import torch
from torch import nn

from rows.kit import seeded_randn


def over_batch(function):
    """`function(x, adj)` of one dense graph, over a batch of them."""

    def apply(self, x, adj):
        if x.dim() == 2:
            return function(self, x, adj)
        return torch.stack([function(self, *graph) for graph in zip(x, adj)]) if len(x) else x.new_zeros(0)

    return apply


def neighbours(x, adj, i):
    return [x[j] for j in range(len(x)) if adj[i, j] != 0]


def weights(adj, i, loop=False):
    """Row i, including zeros, because a missing edge has a derivative; with `loop`, a_ii + 1 where a_ii is 0."""
    row = [adj[i, j] for j in range(len(adj))]
    if loop and adj[i, i] == 0:
        row[i] = adj[i, i] + 1
    return row


def mean(x, adj, i, loop=False):
    row = weights(adj, i, loop)
    if not any(bool(a != 0) for a in row):
        return torch.zeros_like(x[i])
    return sum(a * f for a, f in zip(row, x)) / sum(row)


class GraphOracle(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.lin_rel = nn.Linear(in_features, out_features, bias)
        self.lin_root = nn.Linear(in_features, out_features, False)

    @over_batch
    def forward(self, x, adj):
        return torch.stack([self.lin_rel(mean(x, adj, i)) + self.lin_root(x[i]) for i in range(len(x))])


class GCNOracle(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.lin = nn.Linear(in_features, out_features, False)
        self.register_parameter("bias", nn.Parameter(torch.zeros(out_features)) if bias else None)

    @over_batch
    def forward(self, x, adj):
        h = self.lin(x)
        degree = [sum(weights(adj, i, loop=True)) for i in range(len(x))]
        rows = []
        for i in range(len(x)):
            row = sum(a / (degree[i] * d) ** 0.5 * f for a, d, f in zip(weights(adj, i, loop=True), degree, h))
            rows.append(row if self.bias is None else row + self.bias)
        return torch.stack(rows)


class SAGEOracle(nn.Module):
    def __init__(self, in_features, out_features, aggregation="mean", normalize=False, bias=True):
        super().__init__()
        self.aggregation, self.normalize = aggregation, normalize
        self.lin_l = nn.Linear(in_features, out_features, bias)
        if aggregation != "gcn":
            self.lin_r = nn.Linear(in_features, out_features, False)
        if aggregation == "pool":
            self.lin = nn.Linear(in_features, in_features)
        if aggregation == "lstm":
            self.lstm = nn.LSTMCell(in_features, in_features)

    def aggregate(self, x, adj, i):
        if self.aggregation in ("mean", "gcn"):
            return mean(x, adj, i, loop=self.aggregation == "gcn")
        features = neighbours(x, adj, i)
        if not features:
            return torch.zeros_like(x[i])
        if self.aggregation == "pool":
            return torch.stack([torch.relu(self.lin(f)) for f in features]).amax(0)
        state = None
        for f in features:
            state = self.lstm(f[None], state)
        return state[0][0]

    @over_batch
    def forward(self, x, adj):
        rows = []
        for i in range(len(x)):
            y = self.lin_l(self.aggregate(x, adj, i))
            y = y if self.aggregation == "gcn" else y + self.lin_r(x[i])
            rows.append(y / (y * y).sum().sqrt() if self.normalize and bool((y != 0).any()) else y)
        return torch.stack(rows)


class DiffPoolOracle(nn.Module):
    """Entry by entry, graph by graph; node i of graph b is real if mask[b, i]."""

    def forward(self, z, adj, logits, mask=None):
        if z.dim() == 2:
            x, a, link, entropy = self(z[None], adj[None], logits[None], None if mask is None else mask[None])
            return x[0], a[0], link, entropy
        pooled, coarse, links, entropies = [], [], [], []
        for b in range(len(z)):
            real = [i for i in range(z.size(1)) if mask is None or mask[b, i]]
            s = {i: torch.exp(logits[b, i]) / torch.exp(logits[b, i]).sum() for i in real}
            clusters = range(logits.size(-1))
            pooled.append(torch.stack([sum(s[i][k] * z[b, i] for i in real) for k in clusters]))
            entry = [
                [sum(s[i][k] * adj[b, i, j] * s[j][l] for i in real for j in real) for l in clusters] for k in clusters
            ]
            coarse.append(torch.stack([torch.stack(row) for row in entry]))
            square = sum((adj[b, i, j] - (s[i] * s[j]).sum()) ** 2 for i in real for j in real)
            links.append(square**0.5 / len(real) ** 2)
            entropies.append(sum(-(s[i] * torch.log(s[i])).sum() for i in real) / len(real))
        return torch.stack(pooled), torch.stack(coarse), sum(links) / len(links), sum(entropies) / len(entropies)


class AddPoolOracle(nn.Module):
    def forward(self, x, batch_index=None, num_graphs=None):
        index = [0] * len(x) if batch_index is None else batch_index.tolist()
        count = num_graphs or max(index) + 1
        return torch.stack(
            [sum((x[n] for n in range(len(x)) if index[n] == g), torch.zeros_like(x[0])) for g in range(count)]
        )


def graph(n=6, seed=4, isolated=(3,), p=0.4):
    """A directed, weighted graph with some edges of a node to itself."""
    generator = torch.Generator().manual_seed(seed)
    keep = torch.rand(n, n, generator=generator) < p
    adj = keep * (0.1 + torch.rand(n, n, generator=generator, dtype=torch.float64))
    adj[list(isolated)] = 0
    return seeded_randn(n, 3, seed=seed + 1), adj


def coo(adj):
    return adj.to_sparse()


def csr(adj):
    with warnings.catch_warnings():  # PyTorch says once that this layout is in beta
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return adj.to_sparse_csr()


def split_entries(adj):
    """Every entry as two halves, out of order, and a stored zero."""
    index, value = adj.to_sparse().indices(), adj.to_sparse().values() / 2
    index = torch.cat([index.flip(1), index, torch.tensor([[3], [1]])], 1)
    return torch.sparse_coo_tensor(
        index, torch.cat([value.flip(0), value, value.new_zeros(1)]), adj.shape, check_invariants=True
    )


# ---- networks: the loops above in a row, with torch.nn between ----------------------------------------------------


class GCNNetOracle(nn.Module):
    def __init__(self, widths, dropout=0.5, bias=True):
        super().__init__()
        self.convs = nn.ModuleList(GCNOracle(i, o, bias) for i, o in pairwise(widths))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, adj):
        for i, conv in enumerate(self.convs):
            x = conv(self.dropout(torch.relu(x) if i else x), adj)
        return x


class SAGENetOracle(nn.Module):
    """Algorithm 1, each length taken node by node."""

    def __init__(self, widths, normalize=True, classes=None, **options):
        super().__init__()
        self.convs = nn.ModuleList(SAGEOracle(i, o, **options) for i, o in pairwise(widths))
        self.normalize = normalize
        self.head = None if classes is None else nn.Linear(widths[-1], classes)

    def forward(self, x, adj):
        for i, conv in enumerate(self.convs):
            x = conv(x, adj)
            x = torch.relu(x) if i < len(self.convs) - 1 else x
            if self.normalize:
                x = x / torch.where((x == 0).all(-1, keepdim=True), 1, (x * x).sum(-1, keepdim=True)).sqrt()
        return x if self.head is None else self.head(x)


class GINLayerOracle(nn.Module):
    def __init__(self, in_features, out_features, mlp_layers=2, train_eps=False):
        super().__init__()
        value = torch.zeros(1)
        self.register_parameter("eps", nn.Parameter(value)) if train_eps else self.register_buffer("eps", value)
        widths, parts = [in_features, *[out_features] * mlp_layers], []
        for i, o in pairwise(widths):
            parts += [nn.Linear(i, o), nn.BatchNorm1d(o), nn.ReLU()]
        self.mlp = nn.Sequential(*parts[:-2])

    def forward(self, x, adj):
        rows = [
            (1 + self.eps) * x[b, i] + sum(adj[b, i, j] * x[b, j] for j in range(x.size(1)))
            for b in range(len(x))
            for i in range(x.size(1))
        ]
        return self.mlp(torch.stack(rows)).view(*x.shape[:-1], -1)


class GINOracle(nn.Module):
    """Equation 4.2: the sums of all layers concatenated, times one matrix that is made of the heads."""

    def __init__(self, widths, classes, readout="sum", dropout=0.0, **options):
        super().__init__()
        self.layers = nn.ModuleList(GINLayerOracle(i, o, **options) for i, o in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(w) for w in widths[1:])
        self.heads = nn.ModuleList(nn.Linear(w, classes) for w in widths)
        self.readout = readout

    def forward(self, x, adj, batch_index=None):
        if x.dim() == 2:
            x, adj = x[None], adj[None]
        sums = [self.pool(x, batch_index)]
        for layer, norm in zip(self.layers, self.norms):
            x = torch.relu(norm(layer(x, adj).flatten(0, 1))).view(*x.shape[:-1], -1)
            sums.append(self.pool(x, batch_index))
        weight = torch.cat([head.weight for head in self.heads], 1)
        return torch.cat(sums, -1) @ weight.T + sum(head.bias for head in self.heads)

    def pool(self, x, batch_index):
        if batch_index is not None:
            graphs = [x[0, batch_index == g] for g in range(int(batch_index.max()) + 1)]
        else:
            graphs = list(x)
        return torch.stack([g.sum(0) if self.readout == "sum" else g.sum(0) / len(g) for g in graphs])


class SAGEStackOracle(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.convs = nn.ModuleList(SAGEOracle(i, o) for i, o in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(w) for w in widths[1:])

    def forward(self, x, adj):
        outputs = []
        for conv, norm in zip(self.convs, self.norms):
            y = torch.relu(conv(x, adj))
            y = y / torch.where((y == 0).all(-1, keepdim=True), 1, (y * y).sum(-1, keepdim=True)).sqrt()
            x = norm(y.flatten(0, 1)).view_as(y)
            outputs.append(x)
        return torch.cat(outputs, -1)


class DiffPoolNetOracle(nn.Module):
    def __init__(self, in_features, hidden, classes, clusters, num_layers):
        super().__init__()
        width = hidden * num_layers
        widths = [[i, *[hidden] * num_layers] for i in [in_features] + [width] * len(clusters)]
        self.embed = nn.ModuleList(SAGEStackOracle(w) for w in widths)
        self.assign = nn.ModuleList(SAGEStackOracle(w) for w in widths[:-1])
        self.logits = nn.ModuleList(nn.Linear(width, k) for k in clusters)
        last = nn.Linear(hidden, classes)
        self.head = nn.Sequential(nn.Linear(width * len(widths), hidden), nn.ReLU(), nn.Identity(), last)

    def forward(self, x, adj):
        z = self.embed[0](x, adj)
        tops, links, entropies = [z.max(1).values], [], []
        for level, (assign, logits) in enumerate(zip(self.assign, self.logits)):
            x, adj, link, entropy = DiffPoolOracle()(z, adj, logits(assign(x, adj)))
            z = self.embed[level + 1](x, adj)
            tops.append(z.max(1).values)
            links.append(link)
            entropies.append(entropy)
        return self.head(torch.cat(tops, 1)), sum(links) / len(links), sum(entropies) / len(entropies)
