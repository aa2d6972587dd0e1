"""Perceptron, support vector machine and logistic regression of several classes: one linear score a class.

    z_c = w_c·x + b_c        perceptron        max_c z_c - z_y
                             Weston-Watkins    Σ_{c≠y} max(0, 1 + z_c - z_y)
                             Crammer-Singer    max_c (z_c + [c≠y]) - z_y
                             multinomial       -log softmax(z)_y

All three take x (N, D) and give scores z (N, C); labels y are class indices. `loss` and `fit` as in `two_class`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.component import component
from groundup.functional import (
    crammer_singer_loss,
    cross_entropy,
    multiclass_perceptron_loss,
    softmax,
    weston_watkins_loss,
)
from groundup.functional.losses import Reduction
from groundup.models.shallow_models.frame import Fit, MarginTerm, Multiclass, inverse_strength
from groundup.models.shallow_models.interior_point import KINDS, interior_point
from groundup.models.shallow_models.mistakes import MulticlassRule, learn_from_mistakes, visits
from groundup.models.shallow_models.newton import multinomial, newton
from groundup.models.shallow_models.rotation import rotate


@component(
    62,
    "perceptron for several classes",
    paper=(
        "Crammer and Singer 2003, Ultraconservative Online Algorithms for Multiclass Problems, "
        "https://www.jmlr.org/papers/v3/crammer03a.html"
    ),
    oracle="its rule, sample by sample",
    example="MulticlassPerceptron(20, 3)(torch.randn(1, 20))",
)
class MulticlassPerceptron(Multiclass):
    """Σ max_c z_c - z_y, learnt one mistake at a time: w_y ← w_y + x, w_c ← w_c - x for the highest c ≠ y, z_c ≥ z_y.

    Kesler's construction, Duda and Hart 1973, chapter 5; its bound on the number of mistakes: Crammer and Singer 2003,
    Ultraconservative Online Algorithms for Multiclass Problems, https://jmlr.org/papers/v3/crammer03a.html.
    """

    def loss(
        self, scores: Float[Tensor, "N C"], y: Int[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """max_c z_c - z_y."""
        return multiclass_perceptron_loss(scores, y, reduction)

    @torch.no_grad()
    def fit(
        self,
        x: Float[Tensor, "N D"],
        y: Int[Tensor, " N"],
        max_epochs: int = 100,
        patience: int = 5,
        average: bool = True,
        shuffle: bool = True,
        seed: int = 0,
    ) -> Fit:
        """As `Perceptron.fit`."""
        x, y = self.labelled_table(x, y)
        rule = MulticlassRule(x, y, self.num_classes)
        result = learn_from_mistakes(rule, visits(len(x), shuffle, seed, x.device), max_epochs, patience, average)
        self.put(rule.weight[:, :-1], rule.weight[:, -1])
        return result


@component(
    63,
    "support vector machine for several classes",
    paper=(
        "Crammer and Singer 2001, Multiclass Kernel-based Vector Machines, "
        "https://www.jmlr.org/papers/v2/crammer01a.html"
    ),
    oracle="SciPy's SLSQP, and scikit-learn's LinearSVC, SVC",
    example="MulticlassSVM(20, 3)(torch.randn(1, 20))",
)
class MulticlassSVM(MarginTerm, Multiclass):
    """½ ‖W‖² + C Σ hinges, the hinges of `kind`:

    "crammer_singer"    max_c (z_c + [c≠y]) - z_y: one a sample, for the class that comes nearest
    "weston_watkins"    Σ_{c≠y} max(0, 1 + z_c - z_y): one for every other class

    C, or `weight_decay` in its place, as in `SVM`. The biases are free.

    Crammer and Singer 2001, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines,
    https://jmlr.org/papers/v2/crammer01a.html; Weston and Watkins 1999, Support Vector Machines for Multi-Class Pattern
    Recognition.
    Differs from the papers: Crammer and Singer have no biases, Weston and Watkins a margin of 2.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        kind: str = "crammer_singer",
        C: float = 1.0,
        weight_decay: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, num_classes, device, dtype)
        self.kind = checks.choice("kind", kind, KINDS)
        self.price(C, weight_decay)

    def loss(
        self, scores: Float[Tensor, "N C"], y: Int[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """ "sum" is the objective above, "none" each sample's share of it."""
        hinges = crammer_singer_loss if self.kind == "crammer_singer" else weston_watkins_loss
        return self.objective(hinges(scores, y, reduction="none"), reduction)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Int[Tensor, " N"], max_steps: int = 200) -> Fit:
        """The minimum of the objective, to a duality gap of 10⁻¹⁰ of it, whatever the features' scales.

        A step takes O(N D² C²) and O(D³ C³) operations: seconds for hundreds of features and ten classes.
        """
        x, y = self.labelled_table(x, y)
        rotation = rotate(x)
        penalty = rotation.penalty(1 / self.C_of(len(x)))
        phi, result = interior_point(rotation.features(), y, self.num_classes, self.kind, penalty, max_steps)
        self.put(*rotation.back(phi))
        return self.report(result)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, kind={self.kind!r}"


@component(
    64,
    "logistic regression for several classes (softmax)",
    paper="Böhning 1992, Multinomial Logistic Regression Algorithm, doi:10.1007/BF00048682",
    oracle="scikit-learn's LogisticRegression",
    example="MultinomialLogisticRegression(20, 3)(torch.randn(1, 20))",
)
class MultinomialLogisticRegression(Multiclass):
    """-Σ log softmax(z)_y: the likelihood of P(c | x) = softmax(z)_c.

    Böhning 1992, Multinomial Logistic Regression Algorithm, https://doi.org/10.1007/BF00048682.
    """

    def loss(
        self, scores: Float[Tensor, "N C"], y: Int[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """-log softmax(z)_y, without a penalty: through gradients, that is the optimizer's weight decay."""
        return cross_entropy(scores, y, reduction=reduction)

    @torch.no_grad()
    def predict_proba(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """softmax(z): rows that add up to one."""
        return softmax(self(x), 1)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Int[Tensor, " N"], C: float = 1.0, max_steps: int = 100) -> Fit:
        """The minimum of -Σ log softmax(z)_y + ½ ‖W‖² / C by Newton's method; C as in `LogisticRegression.fit`."""
        x, y = self.labelled_table(x, y)
        rotation = rotate(x)
        features, penalty = rotation.features(), rotation.penalty(inverse_strength(C))
        start = features.new_zeros(self.num_classes, features.size(1))
        phi, result = newton(multinomial(features, y, penalty), start, max_steps)
        self.put(*rotation.back(phi))
        return self.report(result)
