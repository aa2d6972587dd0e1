"""Perceptron, support vector machine and logistic regression of several classes: one linear score per class.

    z_c = w_c·x + b_c        perceptron        max_c z_c - z_y
                             Weston-Watkins    Σ_{c≠y} max(0, 1 + z_c - z_y)
                             Crammer-Singer    max_c (z_c + [c≠y]) - z_y
                             multinomial       -log softmax(z)_y

All three map x (N, D) to scores z (N, C), `Multiclass.forward`; labels y are class indices. `loss` and `fit` are as in
`two_class`. Why z_c - z_y: only differences of scores decide, so that a constant added to all scores changes no loss.
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
from groundup.models.shallow_models.frame import Fit, MarginTerm, Multiclass, compute_penalty
from groundup.models.shallow_models.interior_point import KINDS, interior_point
from groundup.models.shallow_models.mistakes import MulticlassRule, draw_orders, learn_from_mistakes
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

    Args:
        in_features: D.
        num_classes: C.
        device, dtype: of the parameters.

    Example:
        >>> model = MulticlassPerceptron(3, 3)
        >>> model.fit(torch.eye(3), torch.tensor([2, 0, 1])).converged, model.predict(torch.eye(3)).tolist()
        (True, [2, 0, 1])

    Kesler's construction, Duda and Hart 1973, chapter 5; its bound on the number of mistakes: Crammer and Singer 2003,
    Ultraconservative Online Algorithms for Multiclass Problems, https://jmlr.org/papers/v3/crammer03a.html.
    """

    def loss(
        self, scores: Float[Tensor, "N C"], y: Int[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """Return max_c z_c - z_y."""
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
        """Apply the rule, with class indices y and otherwise as `Perceptron.fit` does."""
        x, y = self.check_labels(x, y)
        rule = MulticlassRule(x, y, self.num_classes)
        result = learn_from_mistakes(rule, draw_orders(len(x), shuffle, seed, x.device), max_epochs, patience, average)
        self.set_parameters(rule.weight[:, :-1], rule.weight[:, -1])
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
    """½ ‖W‖² + C Σ hinges: the right class must be ahead of the others by a margin of 1.

    Args:
        in_features: D.
        num_classes: C.
        kind: "crammer_singer" has one hinge per sample, for the strongest other class, max_c (z_c + [c≠y]) - z_y;
            "weston_watkins" one per other class, Σ_{c≠y} max(0, 1 + z_c - z_y).
        C, weight_decay: as in `SVM`. The biases are not penalised.
        device, dtype: of the parameters.

    Example:
        >>> model = MulticlassSVM(3, 3, C=10.0)
        >>> model.fit(torch.eye(3), torch.tensor([2, 0, 1])).converged, model.predict(torch.eye(3)).tolist()
        (True, [2, 0, 1])

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
        self.set_strength(C, weight_decay)

    def loss(
        self, scores: Float[Tensor, "N C"], y: Int[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """Return the objective above for "sum", the share of each sample for "none"."""
        hinges = crammer_singer_loss if self.kind == "crammer_singer" else weston_watkins_loss
        return self.objective(hinges(scores, y, reduction="none"), reduction)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Int[Tensor, " N"], max_steps: int = 200) -> Fit:
        """Compute the minimum by an interior point method, independently of the scales of the features.

        A step takes O(N D² C² + D³ C³) operations: seconds for hundreds of features and ten classes.

        Args:
            x, y: the data, with class indices.
            max_steps: the largest number of Newton steps.
        """
        x, y = self.check_labels(x, y)
        rotation = rotate(x)
        penalty = rotation.penalty(1 / self.compute_C(len(x)))
        phi, result = interior_point(rotation.features(), y, self.num_classes, self.kind, penalty, max_steps)
        self.set_parameters(*rotation.rotate_back(phi))
        return self.warn_unless_converged(result)

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
    """-Σ log softmax(z)_y: the negative log-likelihood of P(c | x) = softmax(z)_c.

    Args:
        in_features: D.
        num_classes: C.
        device, dtype: of the parameters.

    Example:
        >>> model = MultinomialLogisticRegression(3, 3)
        >>> model.fit(torch.eye(3), torch.tensor([2, 0, 1])).converged, model.predict(torch.eye(3)).tolist()
        (True, [2, 0, 1])

    Böhning 1992, Multinomial Logistic Regression Algorithm, https://doi.org/10.1007/BF00048682.
    """

    def loss(
        self, scores: Float[Tensor, "N C"], y: Int[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """Return -log softmax(z)_y. There is no penalty: use the weight decay of the optimizer."""
        return cross_entropy(scores, y, reduction=reduction)

    @torch.no_grad()
    def predict_proba(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """Return P(c | x) = softmax(z)_c."""
        return softmax(self(x), 1)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Int[Tensor, " N"], C: float = 1.0, max_steps: int = 100) -> Fit:
        """Compute the minimum of -Σ log softmax(z)_y + ½ ‖W‖² / C by Newton's method, as `LogisticRegression.fit`."""
        x, y = self.check_labels(x, y)
        rotation = rotate(x)
        features, penalty = rotation.features(), rotation.penalty(compute_penalty(C))
        start = features.new_zeros(self.num_classes, features.size(1))
        phi, result = newton(multinomial(features, y, penalty), start, max_steps)
        self.set_parameters(*rotation.rotate_back(phi))
        return self.warn_unless_converged(result)
