"""Rows: Losses and metrics."""

import itertools

import torch
import torch.nn.functional as F

from groundup import functional as G
from rows.benchmark import compare_calls
from rows.kit import bad_inputs, positive, randn, seeded_randn, simple


def labels(*shape, classes=5, ignored=0, ignore_index=-100):
    def make(dtype):
        target = torch.randint(classes, shape, generator=torch.Generator().manual_seed(4))
        target.view(-1)[:ignored] = ignore_index
        return target

    return make


def probabilities(*shape):
    return lambda dtype: torch.softmax(seeded_randn(*shape, dtype=torch.float64, seed=6), 1).to(dtype)


REDUCTIONS = ("mean", "sum", "none")
scores = torch.zeros(2, 3)

FUNCTION_CASES = [
    *[
        simple(G.mse_loss, F.mse_loss, randn(3, 4), randn(3, 4, seed=3), reduction=reduction)
        for reduction in REDUCTIONS
    ],
    *[
        simple(
            G.binary_cross_entropy_with_logits,
            F.binary_cross_entropy_with_logits,
            randn(3, 4),
            lambda dtype: torch.rand(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype),
            reduction=reduction,
            label=f"{reduction},{','.join(extra)}",
            **extra,
        )
        for reduction in REDUCTIONS
        for extra in ({}, {"weight": positive(4)}, {"pos_weight": positive(3, 4)})
    ],
    *[
        simple(
            G.nll_loss,
            F.nll_loss,
            randn(6, 5, *rest),
            labels(6, *rest, ignored=ignored),
            reduction=reduction,
            label=f"{reduction},ignored={ignored},axes={2 + len(rest)},{','.join(extra)}",
            **extra,
        )
        for reduction, ignored, rest, extra in itertools.product(
            REDUCTIONS, (0, 2), ((), (2, 3)), ({}, {"weight": positive(5)})
        )
    ],
    *[
        simple(
            G.cross_entropy,
            F.cross_entropy,
            randn(6, 5, *rest),
            target,
            reduction=reduction,
            label_smoothing=smoothing,
            label=f"{kind},{reduction},{smoothing},axes={2 + len(rest)},{','.join(extra)}",
            **extra,
        )
        for reduction, smoothing, rest, extra in itertools.product(
            REDUCTIONS, (0.0, 0.1), ((), (2, 3)), ({}, {"weight": positive(5)})
        )
        for kind, target in (
            ("indices", labels(6, *rest)),
            ("ignored", labels(6, *rest, ignored=3)),
            ("probabilities", probabilities(6, 5, *rest)),
        )
    ],
    simple(G.cross_entropy, F.cross_entropy, randn(5), lambda d: torch.tensor(3), label="one sample"),
    simple(G.cross_entropy, F.cross_entropy, randn(6, 5), labels(6, ignored=2, ignore_index=1), ignore_index=1),
]

BAD_INPUTS = bad_inputs(
    cross_entropy=[
        (lambda: G.cross_entropy(scores, torch.tensor([0, 3])), "target holds the label 3, but there are 3 classes"),
        (lambda: G.cross_entropy(scores, torch.tensor([0, -1])), "target holds the label -1"),
        (lambda: G.cross_entropy(scores, torch.tensor([0, 1, 2])), "target must have shape (2,)"),
        (lambda: G.cross_entropy(scores, torch.tensor([[0], [1]])), "target must have shape (2,)"),
        (lambda: G.cross_entropy(scores, torch.tensor([0, 1]).int()), "TypeError: convert with target.long()"),
        (lambda: G.cross_entropy(scores.long(), torch.tensor([0, 1])), "TypeError: input must be a floating"),
        (lambda: G.cross_entropy(scores, torch.ones(2, 4)), "target of class probabilities"),
        (lambda: G.cross_entropy(scores, torch.tensor([0, 1]), torch.ones(2)), "one entry per class"),
        (lambda: G.cross_entropy(scores, torch.tensor([0, 1]), reduction="avg"), "reduction must be one of"),
        (lambda: G.cross_entropy(scores, torch.tensor([0, 1]), label_smoothing=2.0), "label_smoothing"),
    ],
    nll_loss=[
        (lambda: G.nll_loss(scores, torch.tensor([0, 5])), "target holds the label 5"),
        (lambda: G.nll_loss(scores, scores), "TypeError: target must be an integer tensor"),
    ],
    map_loss=[(lambda: G.map_loss(scores, torch.tensor([0, 3])), "target holds the label 3")],
    mse_loss=[(lambda: G.mse_loss(torch.ones(4, 1), torch.ones(4)), "target must have input's shape (4, 1), got (4,)")],
    bce=[
        (lambda: G.binary_cross_entropy_with_logits(torch.ones(4), torch.ones(4, 1)), "target must have input's shape"),
        (
            lambda: G.binary_cross_entropy_with_logits(torch.ones(4), torch.ones(4), weight=torch.ones(3)),
            "weight must broadcast",
        ),
    ],
    accuracy=[
        (lambda: G.accuracy(torch.ones(0, 3), torch.ones(0).long()), "target is empty"),
        (lambda: G.accuracy(scores, torch.tensor([0, 7])), "target holds the label 7"),
    ],
    top_k_accuracy=[
        (lambda: G.top_k_accuracy(scores, torch.tensor([0, 1]), 4), "k must be at most the number of classes 3")
    ],
    confusion_matrix=[
        (lambda: G.confusion_matrix(torch.tensor([0, 9]), torch.tensor([0, 1]), 3), "predictions holds the label 9")
    ],
)

BENCHMARKS = [
    compare_calls(
        *("loss", "cross_entropy", (rows, classes), "F.cross_entropy"),
        lambda: G.cross_entropy,
        lambda: F.cross_entropy,
        lambda n=rows, c=classes: [torch.randn(n, c), torch.randint(0, c, (n,))],
    )
    for rows, classes in ((128, 1000), (8192, 64), (512, 32000))
]
