"""Perceptron, support vector machine, least squares and logistic regression: one linear score, four losses.

    z = w·x + b        perceptron max(0, -y z)      hinge max(0, 1 - y z)
                       squares (z - y)²             logistic log(1 + exp(-y z))

All four take x (N, D) and give scores z (N,); labels y are -1 and +1 (of least squares, any real numbers).
`loss` is for gradients, with `groundup.training.supervised(model.loss)`; `fit` finds the solution by itself.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from groundup import checks
from groundup.component import component
from groundup.functional import hinge_loss, logistic_loss, mse_loss, perceptron_loss, sigmoid
from groundup.functional.losses import Reduction
from groundup.models.shallow_models.frame import Fit, MarginTerm, TwoClass, inverse_strength
from groundup.models.shallow_models.interior_point import interior_point
from groundup.models.shallow_models.mistakes import TwoClassRule, learn_from_mistakes, visits
from groundup.models.shallow_models.newton import logistic, newton
from groundup.models.shallow_models.rotation import rotate


@component(
    58,
    "linear classifier that learns from its mistakes",
    paper="Rosenblatt 1958, The Perceptron, doi:10.1037/h0042519",
    oracle="scikit-learn's Perceptron, epoch by epoch",
    example="Perceptron(20)(torch.randn(1, 20))",
)
class Perceptron(TwoClass):
    """Σ max(0, -y z), learnt one mistake at a time: w ← w + y x, b ← b + y whenever y z ≤ 0.

    If a hyperplane separates the classes by a margin γ and ‖(x, 1)‖ ≤ R, it makes at most (R / γ)² mistakes, in
    whatever order the samples come (Novikoff 1962).

    Rosenblatt 1958, The Perceptron: A Probabilistic Model for Information Storage and Organization in the Brain,
    https://doi.org/10.1037/h0042519.
    """

    def loss(
        self, scores: Float[Tensor, " N"], y: Shaped[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """max(0, -y z). A gradient step of size 1 on one sample is the perceptron's rule."""
        return perceptron_loss(scores, y, reduction)

    @torch.no_grad()
    def fit(
        self,
        x: Float[Tensor, "N D"],
        y: Shaped[Tensor, " N"],
        max_epochs: int = 100,
        patience: int = 5,
        average: bool = True,
        shuffle: bool = True,
        seed: int = 0,
    ) -> Fit:
        """Go through the samples until an epoch passes without a mistake, beginning from zero.

        patience   epochs in a row without fewer mistakes than ever before, after which it gives up: where the classes
                   cannot be separated, mistakes never end
        average    take the mean of the weights after each sample, which generalises better than the last ones
                   (Freund and Schapire 1999, Large Margin Classification Using the Perceptron Algorithm); with False,
                   Rosenblatt's rule as it stands
        shuffle    visit the samples in a new order every epoch, drawn from `seed`

        The rule is not indifferent to the features' scales: standardise them if they differ. They are taken as given.
        """
        x, y = self.signed_table(x, y)
        rule = TwoClassRule(x, y)
        result = learn_from_mistakes(rule, visits(len(x), shuffle, seed, x.device), max_epochs, patience, average)
        self.put(rule.weight[:, :-1], rule.weight[:, -1])
        return result


@component(
    59,
    "linear classifier with the widest margin",
    paper="Cortes and Vapnik 1995, Support-Vector Networks, doi:10.1007/BF00994018",
    oracle="scikit-learn's SVC(kernel='linear')",
    example="SVM(20)(torch.randn(1, 20))",
)
class SVM(MarginTerm, TwoClass):
    """½ ‖w‖² + C Σ max(0, 1 - y z): the widest margin, at the price of C for each unit that a sample intrudes on it.

    Give C, or `weight_decay` λ = 1 / (C N) in its place: Σ (½ λ ‖w‖² + max(0, 1 - y z)), which has the same minimum.
    C counts the samples that `loss` is given, so it is for whole data sets; on minibatches use λ. The bias is free.

    Cortes and Vapnik 1995, Support-Vector Networks, section 3, https://doi.org/10.1007/BF00994018.
    """

    def __init__(
        self,
        in_features: int,
        C: float = 1.0,
        weight_decay: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, device, dtype)
        self.price(C, weight_decay)

    def loss(
        self, scores: Float[Tensor, " N"], y: Shaped[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """ "sum" is the objective above, "none" each sample's share of it."""
        return self.objective(hinge_loss(scores, y, reduction="none"), reduction)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"], max_steps: int = 200) -> Fit:
        """The minimum of the objective, to a duality gap of 10⁻¹⁰ of it, whatever the features' scales.

        Of two classes w = w₊ - w₋ and ‖w₊‖² + ‖w₋‖² = ½ ‖w‖²: it is the multiclass machine with C / 2.
        """
        x, y = self.signed_table(x, y)
        rotation = rotate(x)
        phi, result = interior_point(
            rotation.features(), (y > 0).long(), 2, "crammer_singer", rotation.penalty(2 / self.C_of(len(x))), max_steps
        )
        self.put(*rotation.back(phi[1:] - phi[:1]))
        return self.report(result)


@component(
    60,
    "linear regression in closed form",
    paper=("Penrose 1956, On Best Approximate Solutions of Linear Matrix Equations, doi:10.1017/S0305004100030929"),
    oracle="scikit-learn's LinearRegression",
    example="LeastSquareRegression(20)(torch.randn(1, 20))",
)
class LeastSquareRegression(TwoClass):
    """Σ (z - y)² for real targets y. Legendre 1805; Gauss 1809.

    As a classifier of labels -1 and +1, take the sign of what it predicts.
    """

    def loss(
        self, scores: Float[Tensor, " N"], y: Float[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """(z - y)²."""
        return mse_loss(scores, y, reduction)

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """The scores themselves: real numbers."""
        return self(x)

    @torch.no_grad()
    def fit_closed_form(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"]) -> Fit:
        """w = (X - x̄)⁺ (y - ȳ), b = ȳ - w·x̄: the solution of the normal equations Xᵀ(X w + b - y) = 0.

        Of many solutions, where features depend on each other, the one with the shortest w (Penrose 1956).
        """
        x, y = self.table(x, y)
        y = y.to(x)
        rotation = rotate(x)
        phi = torch.cat([rotation.u.mT @ (y - y.mean()), y.mean(0, keepdim=True)])
        self.put(*rotation.back(phi[None]))
        return Fit(1, True, (float(((rotation.features() @ phi - y) ** 2).sum()),))

    fit = fit_closed_form


@component(
    61,
    "linear classifier with probabilities",
    paper="Cox 1958, The Regression Analysis of Binary Sequences, doi:10.1111/j.2517-6161.1958.tb00292.x",
    oracle="scikit-learn's LogisticRegression",
    example="LogisticRegression(20)(torch.randn(1, 20))",
)
class LogisticRegression(TwoClass):
    """Σ log(1 + exp(-y z)): the likelihood of P(y | x) = σ(y z).

    Cox 1958, The Regression Analysis of Binary Sequences, https://doi.org/10.1111/j.2517-6161.1958.tb00292.x.
    """

    def loss(
        self, scores: Float[Tensor, " N"], y: Shaped[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """-log σ(y z), without a penalty: through gradients, that is the optimizer's weight decay."""
        return logistic_loss(scores, y, reduction)

    @torch.no_grad()
    def predict_proba(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """P(y = +1 | x) = σ(z)."""
        return sigmoid(self(x))

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "N D"], threshold: float = 0.5) -> Int[Tensor, " N"]:
        """+1 where P(y = +1 | x) > threshold, else -1."""
        return torch.where(self.predict_proba(x) > checks.probability("threshold", threshold), 1, -1)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"], C: float = 1.0, max_steps: int = 100) -> Fit:
        """The minimum of Σ log(1 + exp(-y z)) + ½ ‖w‖² / C by Newton's method, whatever the features' scales.

        C is the variance of a normal prior on w; as in scikit-learn it is 1 unless said otherwise, and the bias is
        free. C = inf is maximum likelihood: where the classes can be separated that has no solution, and it warns.
        """
        x, y = self.signed_table(x, y)
        rotation = rotate(x)
        features, penalty = rotation.features(), rotation.penalty(inverse_strength(C))
        phi, result = newton(logistic(features, y, penalty), features.new_zeros(1, features.size(1)), max_steps)
        self.put(*rotation.back(phi))
        return self.report(result)
