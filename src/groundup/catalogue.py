"""The catalogue: one frozen table of every component. README, the command line and the sweep tests read it."""

from __future__ import annotations

import difflib
import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILIES = {
    "layers": "Layers",
    "optimizers": "Optimizers and schedulers",
    "convolutional": "Convolutional networks",
}


@dataclass(frozen=True)
class Component:
    """One component: where it lives, where it comes from, and what proves it."""

    number: int
    name: str
    family: str
    module: str
    summary: str
    paper: str
    url: str
    oracle: str
    input_size: tuple[int, ...] = ()  # of a model: the shape of one sample
    figures: tuple[tuple[str, str], ...] = ()  # of a model: what its paper states

    def load(self) -> Any:
        """The class itself."""
        return getattr(importlib.import_module(self.module), self.name)

    @property
    def source(self) -> Path:
        """The file that defines it."""
        return Path(inspect.getfile(self.load()))


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
_ROBBINS = ("Robbins and Monro 1951, A Stochastic Approximation Method", "https://doi.org/10.1214/aoms/1177729586")
_SUTSKEVER = (
    "Sutskever et al. 2013, On the Importance of Initialization and Momentum in Deep Learning",
    "https://proceedings.mlr.press/v28/sutskever13.html",
)
_DUCHI = ("Duchi et al. 2011, Adaptive Subgradient Methods", "https://jmlr.org/papers/v12/duchi11a.html")
_HINTON = (
    "Tieleman and Hinton 2012, Lecture 6.5: rmsprop",
    "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
)
_ZEILER = ("Zeiler 2012, ADADELTA", "https://arxiv.org/abs/1212.5701")
_KINGMA = ("Kingma and Ba 2015, Adam", "https://arxiv.org/abs/1412.6980")
_LOSHCHILOV = ("Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization", "https://arxiv.org/abs/1711.05101")
_SGDR = ("Loshchilov and Hutter 2017, SGDR", "https://arxiv.org/abs/1608.03983")
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
_DOSOVITSKIY = ("Dosovitskiy et al. 2021, An Image is Worth 16x16 Words", "https://arxiv.org/abs/2010.11929")
_VASWANI = ("Vaswani et al. 2017, Attention Is All You Need", "https://arxiv.org/abs/1706.03762")
_BAHDANAU = (
    "Bahdanau et al. 2015, Neural Machine Translation by Jointly Learning to Align and Translate",
    "https://arxiv.org/abs/1409.0473",
)
_CHILD = (
    "Child et al. 2019, Generating Long Sequences with Sparse Transformers",
    "https://arxiv.org/abs/1904.10509",
)
_AINSLIE = ("Ainslie et al. 2023, GQA", "https://arxiv.org/abs/2305.13245")
_LIU = ("Liu et al. 2021, Swin Transformer", "https://arxiv.org/abs/2103.14030")
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
_SU = ("Su et al. 2021, RoFormer", "https://arxiv.org/abs/2104.09864")


def _layer(number: int, name: str, summary: str, source: tuple[str, str], oracle: str) -> Component:
    return Component(number, name, "layers", "groundup.layers", summary, *source, oracle)


def _optimizer(number: int, name: str, summary: str, source: tuple[str, str], oracle: str) -> Component:
    return Component(number, name, "optimizers", "groundup.optimizers", summary, *source, oracle)


COMPONENTS: tuple[Component, ...] = (
    _layer(1, "Linear", "y = x Wᵀ + b", _ROSENBLATT, "torch.nn.Linear"),
    _layer(2, "Embedding", "a row of a table for each index", _BENGIO, "torch.nn.Embedding"),
    _layer(3, "BatchNorm", "batch normalisation of any rank", _IOFFE, "torch.nn.BatchNorm1d on (-1, C)"),
    _layer(4, "BatchNorm1d", "batch normalisation of vectors and sequences", _IOFFE, "torch.nn.BatchNorm1d"),
    _layer(5, "BatchNorm2d", "batch normalisation of images", _IOFFE, "torch.nn.BatchNorm2d"),
    _layer(6, "LayerNorm", "each sample's features to mean 0, variance 1", _BA, "torch.nn.LayerNorm"),
    _layer(7, "RMSNorm", "each sample's features to root mean square 1; pRMSNorm", _ZHANG, "torch.nn.RMSNorm"),
    _layer(8, "LocalResponseNorm", "channels inhibit their neighbours", _KRIZHEVSKY, "torch.nn.LocalResponseNorm"),
    _layer(9, "Dropout", "random silence while training", _SRIVASTAVA, "torch.nn.Dropout, same seed"),
    _layer(10, "RNN_cell", "the plain recurrent unit, layer-normalised too", _ELMAN, "torch.nn.RNNCell"),
    _layer(11, "LSTM_cell", "long short-term memory, with peepholes too", _GRAVES, "torch.nn.LSTMCell; a loop"),
    _layer(12, "GRU_cell", "the gated recurrent unit, reset before or after", _CHO, "torch.nn.GRUCell; a loop"),
    _layer(13, "RNN", "a cell along a sequence, either way, of any lengths", _ELMAN, "torch.nn.RNN, LSTM, GRU, packed"),
    _layer(14, "Conv2d", "two-dimensional convolution", _LECUN, "torch.nn.Conv2d"),
    _layer(15, "Conv2dGroups", "convolutions side by side", _KRIZHEVSKY, "torch.nn.Conv2d(groups=g)"),
    _layer(16, "Pool2d", "the frame of every pooling", _GOODFELLOW, "torch.nn.functional.unfold"),
    _layer(17, "MaxPool2d", "the largest of each window", _GOODFELLOW, "torch.nn.MaxPool2d"),
    _layer(18, "AvgPool2d", "the mean of each window", _LECUN, "torch.nn.AvgPool2d"),
    _layer(19, "BatchAddPool", "the nodes of each graph, summed", _XU, "a loop over nodes"),
    _layer(20, "SEGate", "channels weighed by the whole image", _HU, "the same in torch.nn"),
    _layer(21, "Graph_cell", "a node and the mean of its neighbours", _MORRIS, "a loop over edges"),
    _layer(22, "GCN_cell", "neighbours weighed by both degrees", _KIPF, "a loop over edges"),
    _layer(23, "GraphSAGE_cell", "neighbours by mean, pool, gcn or lstm", _HAMILTON, "a loop over edges"),
    _layer(24, "DiffPool", "a graph coarsened by a soft assignment", _YING, "a loop over graphs and nodes"),
    _layer(25, "ReLU", "max(x, 0)", _NAIR, "torch.nn.ReLU"),
    _layer(26, "GELU", "x Φ(x)", _HENDRYCKS, "torch.nn.GELU"),
    _layer(27, "GLU", "(x W + b) ⊗ σ(x V + c)", _DAUPHIN, "torch.nn.Linear, then torch.nn.GLU"),
    _layer(28, "SwiGLU", "silu(x W) ⊗ x V", _SHAZEER, "the same in torch.nn"),
    _layer(29, "Flatten", "several axes become one", _LECUN, "torch.nn.Flatten"),
    _layer(30, "DotProductAttention", "softmax(Q Kᵀ / √d) V", _VASWANI, "torch's scaled_dot_product_attention"),
    _layer(31, "AdditiveAttention", "scores of a small network", _BAHDANAU, "a loop over pairs"),
    _layer(32, "DiagBlockAttention", "each block sees itself", _CHILD, "dense attention, masked"),
    _layer(33, "ColumnBlockAttention", "all see each block's last places", _CHILD, "dense attention, masked"),
    _layer(34, "MultiHeadAttention", "several attentions side by side", _VASWANI, "torch.nn.MultiheadAttention"),
    _layer(35, "GroupedQueryAttention", "heads that share keys and values", _AINSLIE, "torch, keys repeated"),
    _layer(36, "RelativeWindowAttention", "attention in a window, biased by offset", _LIU, "a loop over pairs"),
    _layer(37, "SparseMultiHeadAttention", "fixed, strided patterns, never n × n", _CHILD, "dense attention, masked"),
    _layer(38, "KVCache", "keys and values of the tokens so far", _VASWANI, "the full forward pass"),
    _layer(39, "PositionalEncoding", "sinusoids of the position", _VASWANI, "a loop over positions"),
    _layer(40, "RotaryEncoding", "queries and keys turned by position", _SU, "complex multiplication"),
    _layer(41, "PatchEmbedding", "an image as a sequence of tokens", _DOSOVITSKIY, "torch.nn.functional.unfold"),
    _layer(42, "RelativePositionBias2d", "a learned bias for each offset", _LIU, "a loop over pairs"),
    _optimizer(46, "Optimizer", "the frame of every update rule", _ROBBINS, "torch.optim.Optimizer"),
    _optimizer(47, "SGD", "stochastic gradient descent", _ROBBINS, "torch.optim.SGD"),
    _optimizer(48, "SGD_Momentum", "with momentum, Nesterov's too", _SUTSKEVER, "torch.optim.SGD(momentum)"),
    _optimizer(49, "AdaGrad", "a rate a coordinate, ever slower", _DUCHI, "torch.optim.Adagrad"),
    _optimizer(50, "RMSProp", "a rate a coordinate, forgetting", _HINTON, "torch.optim.RMSprop"),
    _optimizer(51, "AdaDelta", "a rate that needs no tuning", _ZEILER, "torch.optim.Adadelta"),
    _optimizer(52, "Adam", "adaptive moments", _KINGMA, "torch.optim.Adam"),
    _optimizer(53, "AdamW", "Adam with decoupled weight decay", _LOSHCHILOV, "torch.optim.AdamW"),
    _optimizer(54, "LR_Scheduler", "exponential decay", _ROBBINS, "torch's ExponentialLR, clamped"),
    _optimizer(55, "LR_StepScheduler", "decay by steps", _ROBBINS, "torch's StepLR"),
    _optimizer(56, "LR_PlateauScheduler", "decay when progress stops", _ROBBINS, "torch's ReduceLROnPlateau"),
    _optimizer(57, "LR_CosineDecayScheduler", "warm-up, then half a cosine", _SGDR, "torch's SequentialLR"),
    Component(
        79,
        "LeNet5",
        "convolutional",
        "groundup.models.convolutional_networks",
        "the digit reader of 1998",
        *_LECUN,
        "the same network in torch.nn, with a dense, masked C3",
        input_size=(1, 32, 32),
        figures=(
            ("trainable parameters", "60,000"),
            ("connections", "340,908 (with biases and subsampling; C3's table leaves 150,000 of its 240,000 products)"),
        ),
    ),
)


def find(name: str) -> Component:
    """The component called `name`, in any case. Raises `ValueError` that lists near names."""
    by_lower = {component.name.lower(): component for component in COMPONENTS}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.4)
    hint = f"; did you mean {', '.join(by_lower[n].name for n in near)}?" if near else ""
    raise ValueError(f"there is no component {name!r}{hint}; `groundup list` shows them all".replace("?;", "?"))


def markdown() -> str:
    """README's component table."""
    lines = []
    for key, title in FAMILIES.items():
        lines += [f"**{title}**", "", "| | component | | paper | proven equal to |", "| --- | --- | --- | --- | --- |"]
        for c in COMPONENTS:
            if c.family == key:
                path = "src/groundup/" + c.source.as_posix().split("/groundup/")[-1]
                paper = f"[{c.paper}]({c.url})"
                lines.append(f"| {c.number} | [`{c.name}`]({path}) | {c.summary} | {paper} | {c.oracle} |")
        lines.append("")
    return "\n".join(lines)
