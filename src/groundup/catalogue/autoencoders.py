"""The catalogue's autoencoders."""

from __future__ import annotations

from groundup.catalogue.component import Component

_KOREN = (
    "Koren, Bell and Volinsky 2009, Matrix Factorization Techniques for Recommender Systems",
    "https://doi.org/10.1109/MC.2009.263",
)
_BALDI = (
    "Baldi and Hornik 1989, Neural Networks and Principal Component Analysis",
    "https://doi.org/10.1016/0893-6080(89)90014-2",
)
_MIKOLOV = (
    "Mikolov et al. 2013, Distributed Representations of Words and Phrases",
    "https://arxiv.org/abs/1310.4546",
)


def row(number: int, name: str, summary: str, source: tuple[str, str], oracle: str, example: str = "") -> Component:
    return Component(number, name, "autoencoders", "groundup.autoencoders", summary, *source, oracle, example)


ROWS = (
    row(
        43,
        "MatrixFactorization",
        "approximates a table with missing entries by two thin factors",
        _KOREN,
        "torch.nn.Embedding; the SVD",
        "MatrixFactorization(1000, 500, 16)(torch.randint(1000, (1,)), torch.randint(500, (1,)))",
    ),
    row(
        44,
        "AutoencoderLinear",
        "learns the principal components",
        _BALDI,
        "torch.nn.Linear; scikit-learn's PCA",
        "AutoencoderLinear(64, 8)(torch.randn(1, 64))",
    ),
    row(
        45,
        "Word2Vec",
        "word vectors learned from neighbouring words",
        _MIKOLOV,
        "torch.nn.Embedding; mutual information",
        "Word2Vec(10000, 100)(torch.randint(10000, (1,)), torch.randint(10000, (1,)))",
    ),
)
