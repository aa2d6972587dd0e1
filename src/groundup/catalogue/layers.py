"""The catalogue's layers."""

from __future__ import annotations

from groundup.catalogue.component import Component

_IOFFE = ("Ioffe and Szegedy 2015, Batch Normalization", "https://arxiv.org/abs/1502.03167")
_LECUN = (
    "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
    "https://doi.org/10.1109/5.726791",
)
_KRIZHEVSKY = (
    "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks",
    "https://papers.nips.cc/paper/4824",
)
_NAIR = (
    "Nair and Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines",
    "https://icml.cc/Conferences/2010/papers/432.pdf",
)
_SRIVASTAVA = (
    "Srivastava et al. 2014, Dropout",
    "https://jmlr.org/papers/v15/srivastava14a.html",
)
_ROSENBLATT = ("Rosenblatt 1958, The Perceptron", "https://doi.org/10.1037/h0042519")
_GOODFELLOW = ("Goodfellow et al. 2016, Deep Learning, section 9.3", "https://www.deeplearningbook.org")
_BENGIO = (
    "Bengio et al. 2003, A Neural Probabilistic Language Model",
    "https://jmlr.org/papers/v3/bengio03a.html",
)
_BA = ("Ba et al. 2016, Layer Normalization", "https://arxiv.org/abs/1607.06450")
_ZHANG = ("Zhang and Sennrich 2019, Root Mean Square Layer Normalization", "https://arxiv.org/abs/1910.07467")
_ELMAN = ("Elman 1990, Finding Structure in Time", "https://doi.org/10.1207/s15516709cog1402_1")
_GRAVES = ("Graves 2013, Generating Sequences With Recurrent Neural Networks", "https://arxiv.org/abs/1308.0850")
_CHO = (
    "Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder",
    "https://arxiv.org/abs/1406.1078",
)
_HU = ("Hu et al. 2018, Squeeze-and-Excitation Networks", "https://arxiv.org/abs/1709.01507")
_HENDRYCKS = ("Hendrycks and Gimpel 2016, Gaussian Error Linear Units", "https://arxiv.org/abs/1606.08415")
_DAUPHIN = (
    "Dauphin et al. 2017, Language Modeling with Gated Convolutional Networks",
    "https://arxiv.org/abs/1612.08083",
)
_SHAZEER = ("Shazeer 2020, GLU Variants Improve Transformer", "https://arxiv.org/abs/2002.05202")
_XU = ("Xu et al. 2019, How Powerful are Graph Neural Networks?", "https://arxiv.org/abs/1810.00826")
_MORRIS = ("Morris et al. 2019, Weisfeiler and Leman Go Neural", "https://arxiv.org/abs/1810.02244")
_KIPF = (
    "Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks",
    "https://arxiv.org/abs/1609.02907",
)
_HAMILTON = (
    "Hamilton et al. 2017, Inductive Representation Learning on Large Graphs",
    "https://arxiv.org/abs/1706.02216",
)
_YING = (
    "Ying et al. 2018, Hierarchical Graph Representation Learning with Differentiable Pooling",
    "https://arxiv.org/abs/1806.08804",
)


def row(number: int, name: str, summary: str, source: tuple[str, str], oracle: str, example: str = "") -> Component:
    return Component(number, name, "layers", "groundup.layers", summary, *source, oracle, example)


ROWS = (
    row(1, "Linear", "y = x Wᵀ + b", _ROSENBLATT, "torch.nn.Linear", "Linear(64, 32)(torch.randn(1, 64))"),
    row(
        2,
        "Embedding",
        "one row of a table per index",
        _BENGIO,
        "torch.nn.Embedding",
        "Embedding(1000, 64)(torch.randint(1000, (1, 10)))",
    ),
    row(
        3,
        "BatchNorm",
        "batch normalisation of inputs of any rank",
        _IOFFE,
        "torch.nn.BatchNorm1d on (-1, C)",
        "BatchNorm(64)(torch.randn(1, 64, 16))",
    ),
    row(
        4,
        "BatchNorm1d",
        "batch normalisation of vectors and sequences",
        _IOFFE,
        "torch.nn.BatchNorm1d",
        "BatchNorm1d(64)(torch.randn(1, 64))",
    ),
    row(
        5,
        "BatchNorm2d",
        "batch normalisation of images",
        _IOFFE,
        "torch.nn.BatchNorm2d",
        "BatchNorm2d(64)(torch.randn(1, 64, 32, 32))",
    ),
    row(
        6,
        "LayerNorm",
        "normalises the features of each sample to mean 0 and variance 1",
        _BA,
        "torch.nn.LayerNorm",
        "LayerNorm(64)(torch.randn(1, 10, 64))",
    ),
    row(
        7,
        "RMSNorm",
        "normalises the features of each sample to root mean square 1",
        _ZHANG,
        "torch.nn.RMSNorm",
        "RMSNorm(64)(torch.randn(1, 10, 64))",
    ),
    row(
        8,
        "LocalResponseNorm",
        "divides each channel by the activity of its neighbours",
        _KRIZHEVSKY,
        "torch.nn.LocalResponseNorm",
        "LocalResponseNorm(5)(torch.randn(1, 96, 27, 27))",
    ),
    row(
        9,
        "Dropout",
        "sets random features to zero in training",
        _SRIVASTAVA,
        "torch.nn.Dropout, same seed",
        "Dropout(0.5)(torch.randn(1, 64))",
    ),
    row(
        10,
        "RNN_cell",
        "one step of a plain recurrent network",
        _ELMAN,
        "torch.nn.RNNCell",
        "RNN_cell(32, 64)(torch.randn(1, 32))",
    ),
    row(
        11,
        "LSTM_cell",
        "one step of long short-term memory",
        _GRAVES,
        "torch.nn.LSTMCell; a loop",
        "LSTM_cell(32, 64)(torch.randn(1, 32))",
    ),
    row(
        12,
        "GRU_cell",
        "one step of a gated recurrent unit",
        _CHO,
        "torch.nn.GRUCell; a loop",
        "GRU_cell(32, 64)(torch.randn(1, 32))",
    ),
    row(
        13,
        "RNN",
        "applies a recurrent cell to sequences of any lengths",
        _ELMAN,
        "torch.nn.RNN, LSTM, GRU, packed",
        "RNN(LSTM_cell(32, 64))(torch.randn(1, 10, 32))",
    ),
    row(
        14,
        "Conv2d",
        "two-dimensional convolution",
        _LECUN,
        "torch.nn.Conv2d",
        "Conv2d(3, 16, 3, padding=1)(torch.randn(1, 3, 32, 32))",
    ),
    row(
        15,
        "Conv2dGroups",
        "convolution in groups of channels",
        _KRIZHEVSKY,
        "torch.nn.Conv2d(groups=g)",
        "Conv2dGroups(32, 64, 3, groups=4)(torch.randn(1, 32, 28, 28))",
    ),
    row(16, "Pool2d", "base class of the pooling layers", _GOODFELLOW, "torch.nn.functional.unfold"),
    row(
        17,
        "MaxPool2d",
        "maximum of each window",
        _GOODFELLOW,
        "torch.nn.MaxPool2d",
        "MaxPool2d(2)(torch.randn(1, 16, 32, 32))",
    ),
    row(
        18,
        "AvgPool2d",
        "mean of each window",
        _LECUN,
        "torch.nn.AvgPool2d",
        "AvgPool2d(2)(torch.randn(1, 16, 32, 32))",
    ),
    row(
        19,
        "BatchAddPool",
        "sums the nodes of each graph",
        _XU,
        "PyTorch Geometric's global_add_pool",
        "BatchAddPool()(torch.randn(10, 16))",
    ),
    row(
        20,
        "SEGate",
        "squeeze-and-excitation: scales the channels by global context",
        _HU,
        "torchvision, timm",
        "SEGate(64)(torch.randn(1, 64, 28, 28))",
    ),
    row(
        21,
        "Graph_cell",
        "graph convolution: a node and the mean of its neighbours",
        _MORRIS,
        "PyTorch Geometric's GraphConv",
        "Graph_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
    ),
    row(
        22,
        "GCN_cell",
        "graph convolution, normalised by the degrees of both nodes",
        _KIPF,
        "PyTorch Geometric's GCNConv",
        "GCN_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
    ),
    row(
        23,
        "GraphSAGE_cell",
        "graph convolution with mean, pool, gcn or lstm aggregation",
        _HAMILTON,
        "PyTorch Geometric's SAGEConv; a loop",
        "GraphSAGE_cell(16, 32)(torch.randn(1, 10, 16), torch.rand(1, 10, 10))",
    ),
    row(
        24,
        "DiffPool",
        "coarsens a graph by a soft assignment to clusters",
        _YING,
        "PyTorch Geometric's dense_diff_pool",
        "DiffPool()(torch.randn(1, 10, 16), torch.rand(1, 10, 10), torch.randn(1, 10, 4))",
    ),
    row(25, "ReLU", "max(x, 0)", _NAIR, "torch.nn.ReLU", "ReLU()(torch.randn(1, 64))"),
    row(26, "GELU", "x Φ(x)", _HENDRYCKS, "torch.nn.GELU", "GELU()(torch.randn(1, 64))"),
    row(
        27,
        "GLU",
        "(x W + b) ⊗ σ(x V + c)",
        _DAUPHIN,
        "torch.nn.Linear, then torch.nn.GLU",
        "GLU(64, 128)(torch.randn(1, 64))",
    ),
    row(28, "SwiGLU", "silu(x W) ⊗ x V", _SHAZEER, "transformers' LlamaMLP", "SwiGLU(64, 128)(torch.randn(1, 64))"),
    row(
        29, "Flatten", "merges several axes into one", _LECUN, "torch.nn.Flatten", "Flatten()(torch.randn(1, 16, 5, 5))"
    ),
)
