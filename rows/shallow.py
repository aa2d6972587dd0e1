"""Rows: the shallow models and the losses of the margin."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup.models import shallow_models as S
from rows.kit import Case, bad_inputs, draw, grid, label, randn, simple
from rows.losses import REDUCTIONS, labels


class OneScore(nn.Linear):
    def forward(self, x):
        return super().forward(x).squeeze(1)


TWO_CLASS = ("Perceptron", "SVM", "LeastSquareRegression", "LogisticRegression")

CASES = [
    *[
        Case(name, "", lambda n=name: getattr(S, n)(3), draw(3), lambda: OneScore(3, 1), modes=(True,))
        for name in TWO_CLASS
    ],
    *[
        Case(name, "", lambda n=name: getattr(S, n)(3, 4), draw(3), lambda: nn.Linear(3, 4), modes=(True,))
        for name in ("MulticlassPerceptron", "MultinomialLogisticRegression")
    ],
    *[
        Case(
            "MulticlassSVM",
            label(**options),
            lambda o=options: S.MulticlassSVM(3, 4, **o),
            draw(3),
            lambda: nn.Linear(3, 4),
            modes=(True,),
        )
        for options in grid(kind=("crammer_singer", "weston_watkins"), weight_decay=(None, 0.1))
    ],
]

REQUIRED = dict.fromkeys(("MulticlassPerceptron", "MulticlassSVM", "MultinomialLogisticRegression"), (3, 4))


# ---- oracles of the losses: PyTorch's where it has one ------------------------------------------------------------


def signs(*shape):
    return lambda dtype: torch.randint(2, shape, generator=torch.Generator().manual_seed(4)) * 2 - 1


def reduce(loss, reduction):
    return loss if reduction == "none" else getattr(loss, reduction)()


def perceptron(z, y, reduction):
    return reduce(F.relu(-y * z), reduction)


def hinge(z, y, reduction, margin=1.0):
    return F.margin_ranking_loss(z, torch.zeros_like(z), y, margin=margin, reduction=reduction)


def multiclass_perceptron(z, y, reduction):
    return reduce(F.relu(z - z.gather(1, y[:, None])).max(1).values, reduction)


def weston_watkins(z, y, reduction, margin=1.0):
    wide = z.float() if z.dtype == torch.bfloat16 else z  # PyTorch has no kernel for it
    return (F.multi_margin_loss(wide, y, margin=margin, reduction=reduction) * z.size(1)).to(z.dtype)


def crammer_singer(z, y, reduction, margin=1.0):
    own = F.one_hot(y, z.size(1)).bool()
    return reduce(F.relu(margin + z.masked_fill(own, -torch.inf).max(1).values - z[own]), reduction)


FUNCTION_CASES = [
    *[
        simple(function, oracle, randn(4, 5), signs(4, 5), reduction=reduction)
        for reduction in REDUCTIONS
        for function, oracle in (
            (G.perceptron_loss, perceptron),
            (G.hinge_loss, hinge),
            (G.logistic_loss, F.soft_margin_loss),
        )
    ],
    simple(G.hinge_loss, hinge, randn(4, 5), signs(4, 5), reduction="sum", margin=0.3),
    *[
        simple(function, oracle, randn(7, 5), labels(7), reduction=reduction, **extra)
        for reduction in REDUCTIONS
        for function, oracle, extra in (
            (G.multiclass_perceptron_loss, multiclass_perceptron, {}),
            (G.weston_watkins_loss, weston_watkins, {}),
            (G.weston_watkins_loss, weston_watkins, {"margin": 0.3}),
            (G.crammer_singer_loss, crammer_singer, {}),
            (G.crammer_singer_loss, crammer_singer, {"margin": 0.3}),
        )
    ],
    simple(
        G.weston_watkins_loss, weston_watkins, randn(1, 1), lambda d: torch.tensor([0]), reduction="sum", label="C=1"
    ),
]

# ---- what they are given wrong ------------------------------------------------------------------------------------

x, y, c = torch.randn(6, 3), torch.tensor([1, -1, 1, 1, -1, -1]), torch.tensor([0, 1, 2, 3, 0, 1])
z = torch.zeros(6)

BAD_INPUTS = bad_inputs(
    LeastSquareRegression=[(lambda: S.LeastSquareRegression(3).loss(z, y), "TypeError: target must be a floating")],
    SVM=[
        (lambda: S.SVM(3, C=0), "C must be positive, got 0"),
        (lambda: S.SVM(3, C=2.0, weight_decay=0.1), "give either C or weight_decay"),
        (lambda: S.SVM(3, weight_decay=0.0), "weight_decay must be positive"),
    ],
    MulticlassSVM=[(lambda: S.MulticlassSVM(3, 4, "one_vs_rest"), "kind must be one of")],
    LogisticRegression=[
        (lambda: S.LogisticRegression(3).fit(x, y, C=-1.0), "C must be a finite number"),
        (lambda: S.LogisticRegression(3).predict(x, 2.0), "threshold must be"),
    ],
    Perceptron=[
        (lambda: S.Perceptron(3).fit(x, y, max_epochs=0), "max_epochs must be at least 1"),
        (lambda: S.Perceptron(3).fit(x, y, patience=0), "patience must be at least 1"),
    ],
    hinge_loss=[
        (lambda: G.hinge_loss(z, torch.ones(6, 1)), "target must have scores' shape (6,)"),
        (lambda: G.hinge_loss(torch.ones(2), torch.tensor([0, 1])), "target must hold only -1 and +1"),
    ],
    crammer_singer_loss=[(lambda: G.crammer_singer_loss(z, c), "scores must have shape (N, C)")],
    weston_watkins_loss=[(lambda: G.weston_watkins_loss(x, c, margin=-1.0), "margin must be")],
)
BAD_INPUTS += [
    *[
        (name, call, error, words)
        for name in TWO_CLASS
        for model in [getattr(S, name)]
        for call, error, words in (
            (lambda m=model: m(0), ValueError, "in_features must be at least 1, got 0"),
            (lambda m=model: m(3)(torch.ones(2, 4)), ValueError, "x must have 3 features"),
            (lambda m=model: m(3)(torch.ones(3)), ValueError, "x must have shape (N, in_features), got 1 axes"),
            (lambda m=model: m(3)(torch.ones(2, 3).long()), TypeError, "x must be a floating-point tensor"),
            (lambda m=model: m(3).loss(z, z[:, None] + 1), ValueError, "target must have "),
            (lambda m=model: m(3).fit(x, y[:, None]), ValueError, "y must have shape (N,), got 2 axes"),
            (lambda m=model: m(3).fit(x, y[:-1]), ValueError, "y must have 6 entries, one for each sample of x"),
            (lambda m=model: m(3).fit(x[:, :2], y), ValueError, "x must have 3 features, as in_features says"),
            (lambda m=model: m(3).fit(x[:0], y[:0]), ValueError, "x is empty"),
            (lambda m=model: m(3).fit(x / 0, y), ValueError, "x must be finite, got NaN or infinity"),
            (lambda m=model: m(3).fit(x.numpy(), y), TypeError, "x must be a torch.Tensor, got ndarray"),
            (lambda m=model: m(3).fit(x, np.ones(6)), TypeError, "y must be a torch.Tensor, got ndarray"),
        )
    ],
    *[
        (name, call, error, words)
        for name in ("Perceptron", "SVM", "LogisticRegression")
        for model in [getattr(S, name)]
        for call, error, words in (
            (lambda m=model: m(3).loss(z, (y + 1) / 2), ValueError, "for labels in {0, 1} pass 2 * y - 1"),
            (lambda m=model: m(3).fit(x, (y + 1) // 2), ValueError, "y must hold only -1 and +1"),
            (lambda m=model: m(3).fit(x, y.abs()), ValueError, "y must hold both -1 and +1, got only 1"),
            (lambda m=model: m(3).loss(z, y, "avg"), ValueError, "reduction must be one of"),
        )
    ],
    *[
        (name, call, error, words)
        for name in ("MulticlassPerceptron", "MulticlassSVM", "MultinomialLogisticRegression")
        for model in [getattr(S, name)]
        for call, error, words in (
            (lambda m=model: m(3, 1), ValueError, "num_classes must be at least 2, got 1"),
            (lambda m=model: m(3, 4)(torch.ones(2, 4)), ValueError, "x must have 3 features"),
            (
                lambda m=model: m(3, 4).loss(torch.ones(6, 4), c[:, None]),
                ValueError,
                "target must have shape (",
            ),
            (lambda m=model: m(3, 4).loss(torch.ones(6, 4), c.float()), (TypeError, ValueError), "target"),
            (lambda m=model: m(3, 4).loss(torch.ones(6, 4), c + 1), ValueError, "holds the label 4"),
            (lambda m=model: m(3, 4).fit(x, c.float()), TypeError, "y must hold int64 class indices"),
            (lambda m=model: m(3, 4).fit(x, c + 1), ValueError, "y holds the label 4, but there are 4 classes"),
            (lambda m=model: m(3, 5).fit(x, c), ValueError, "y has no sample of class 4"),
        )
    ],
]
