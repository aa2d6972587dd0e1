"""Rows: the graph networks."""

from groundup.catalogue.component import Component

_MODULE = "groundup.models.graph_networks"

ROWS = (
    Component(
        91,
        "GCN",
        "graph",
        _MODULE,
        "classifies nodes from a few labels",
        "Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks",
        "https://arxiv.org/abs/1609.02907",
        "PyTorch Geometric's GCN; a loop over edges",
        figures=(("Cora, test accuracy", "81.5 %"),),
        example="GCN(1433, 16, 7)(torch.randn(1, 2708, 1433), torch.rand(1, 2708, 2708))",
    ),
    Component(
        92,
        "GraphSAGE",
        "graph",
        _MODULE,
        "learned aggregation of neighbours, sampled for large graphs",
        "Hamilton et al. 2017, Inductive Representation Learning on Large Graphs",
        "https://arxiv.org/abs/1706.02216",
        "PyTorch Geometric's GraphSAGE; a loop over edges",
        example="GraphSAGE(16, 32, 32, num_classes=3)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
    ),
    Component(
        93,
        "GIN",
        "graph",
        _MODULE,
        "classifies graphs, as powerful as the Weisfeiler-Leman test",
        "Xu et al. 2019, How Powerful are Graph Neural Networks?",
        "https://arxiv.org/abs/1810.00826",
        "PyTorch Geometric's GIN, sparse and dense",
        figures=(("MUTAG, PROTEINS, PTC, IMDB-B, 10-fold", "89.4, 76.2, 64.6, 75.1 %"),),
        example="GIN(16, 32, 2)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
    ),
    Component(
        94,
        "DiffPoolNet",
        "graph",
        _MODULE,
        "classifies graphs by coarsening them step by step",
        "Ying et al. 2018, Hierarchical Graph Representation Learning with Differentiable Pooling",
        "https://arxiv.org/abs/1806.08804",
        "PyTorch Geometric's DenseSAGEConv and dense_diff_pool",
        figures=(("ENZYMES, 10-fold", "62.53 %"),),
        example="DiffPoolNet(16, 32, 6)(torch.randn(1, 40, 16), torch.rand(1, 40, 40))",
    ),
)
