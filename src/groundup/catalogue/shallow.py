"""The catalogue's shallow models."""

from __future__ import annotations

from groundup.catalogue.component import Component

_ROSENBLATT = ("Rosenblatt 1958, The Perceptron", "https://doi.org/10.1037/h0042519")
_CORTES = ("Cortes and Vapnik 1995, Support-Vector Networks", "https://doi.org/10.1007/BF00994018")
_PENROSE = (
    "Penrose 1956, On Best Approximate Solutions of Linear Matrix Equations",
    "https://doi.org/10.1017/S0305004100030929",
)
_COX = (
    "Cox 1958, The Regression Analysis of Binary Sequences",
    "https://doi.org/10.1111/j.2517-6161.1958.tb00292.x",
)
_ULTRACONSERVATIVE = (
    "Crammer and Singer 2003, Ultraconservative Online Algorithms for Multiclass Problems",
    "https://www.jmlr.org/papers/v3/crammer03a.html",
)
_CRAMMER = (
    "Crammer and Singer 2001, Multiclass Kernel-based Vector Machines",
    "https://www.jmlr.org/papers/v2/crammer01a.html",
)
_BOHNING = ("Böhning 1992, Multinomial Logistic Regression Algorithm", "https://doi.org/10.1007/BF00048682")


def row(number: int, name: str, summary: str, source: tuple[str, str], oracle: str, example: str = "") -> Component:
    return Component(number, name, "shallow", "groundup.models.shallow_models", summary, *source, oracle, example)


ROWS = (
    row(
        58,
        "Perceptron",
        "linear classifier that learns from its mistakes",
        _ROSENBLATT,
        "scikit-learn's Perceptron, epoch by epoch",
        "Perceptron(20)(torch.randn(1, 20))",
    ),
    row(
        59,
        "SVM",
        "linear classifier with the widest margin",
        _CORTES,
        "scikit-learn's SVC(kernel='linear')",
        "SVM(20)(torch.randn(1, 20))",
    ),
    row(
        60,
        "LeastSquareRegression",
        "linear regression in closed form",
        _PENROSE,
        "scikit-learn's LinearRegression",
        "LeastSquareRegression(20)(torch.randn(1, 20))",
    ),
    row(
        61,
        "LogisticRegression",
        "linear classifier with probabilities",
        _COX,
        "scikit-learn's LogisticRegression",
        "LogisticRegression(20)(torch.randn(1, 20))",
    ),
    row(
        62,
        "MulticlassPerceptron",
        "perceptron for several classes",
        _ULTRACONSERVATIVE,
        "its rule, sample by sample",
        "MulticlassPerceptron(20, 3)(torch.randn(1, 20))",
    ),
    row(
        63,
        "MulticlassSVM",
        "support vector machine for several classes",
        _CRAMMER,
        "SciPy's SLSQP, and scikit-learn's LinearSVC, SVC",
        "MulticlassSVM(20, 3)(torch.randn(1, 20))",
    ),
    row(
        64,
        "MultinomialLogisticRegression",
        "logistic regression for several classes (softmax)",
        _BOHNING,
        "scikit-learn's LogisticRegression",
        "MultinomialLogisticRegression(20, 3)(torch.randn(1, 20))",
    ),
)
