"""Perceptron, support vector machine, least squares and logistic regression: one linear score, four losses.

    z = w·x + b        perceptron max(0, -y z)      hinge max(0, 1 - y z)
                       squares (z - y)²             logistic log(1 + exp(-y z))

All four map x (N, D) to scores z (N,), `TwoClass.forward`; labels y are -1 and +1 (for least squares, any real
numbers). `loss` is for training by gradients, with `groundup.training.make_objective(model.loss)`; `fit` computes the
solution.

Why four losses: the perceptron accepts any line that separates the classes; the hinge also demands a margin. The
logistic loss gives probabilities, and decreases with every score. Squares also penalise scores that are too large, so
that a few samples far from the boundary can move it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from groundup import checks
from groundup.component import component
from groundup.functional import hinge_loss, logistic_loss, mse_loss, perceptron_loss, sigmoid
from groundup.functional.losses import Reduction
from groundup.models.shallow_models.frame import Fit, MarginTerm, TwoClass, compute_penalty
from groundup.models.shallow_models.interior_point import interior_point
from groundup.models.shallow_models.mistakes import TwoClassRule, draw_orders, learn_from_mistakes
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

    If a hyperplane separates the classes by a margin γ and ‖(x, 1)‖ ≤ R, the rule makes at most (R / γ)² mistakes, in
    any order of the samples (Novikoff 1962).

    Args:
        in_features: D.
        device, dtype: of the parameters.

    Example:
        >>> x, y = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), torch.tensor([-1, -1, 1, 1])
        >>> model = Perceptron(2)
        >>> model.fit(x, y, average=False).converged, model.predict(x).tolist()
        (True, [-1, -1, 1, 1])

    Rosenblatt 1958, The Perceptron: A Probabilistic Model for Information Storage and Organization in the Brain,
    https://doi.org/10.1037/h0042519.
    """

    def loss(
        self, scores: Float[Tensor, " N"], y: Shaped[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """Return max(0, -y z). A gradient step of size 1 on one sample is the rule of the perceptron."""
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
        """Apply the rule from zero weights until an epoch passes without a mistake.

        The result depends on the scales of the features: standardise them first if they differ.

        Args:
            x, y: the data, with labels -1 and +1.
            max_epochs: the largest number of epochs.
            patience: stop after so many epochs in a row without a new least number of mistakes. If the classes cannot
                be separated, the mistakes never end.
            average: take the mean of the weights after each sample, which generalises better than the last weights
                (Freund and Schapire 1999, Large Margin Classification Using the Perceptron Algorithm); False is
                Rosenblatt's rule.
            shuffle: visit the samples in a new order every epoch.
            seed: of the orders.
        """
        x, y = self.check_signs(x, y)
        rule = TwoClassRule(x, y)
        result = learn_from_mistakes(rule, draw_orders(len(x), shuffle, seed, x.device), max_epochs, patience, average)
        self.set_parameters(rule.weight[:, :-1], rule.weight[:, -1])
        return result


@component(
    59,
    "linear classifier with the widest margin",
    paper="Cortes and Vapnik 1995, Support-Vector Networks, doi:10.1007/BF00994018",
    oracle="scikit-learn's SVC(kernel='linear')",
    example="SVM(20)(torch.randn(1, 20))",
)
class SVM(MarginTerm, TwoClass):
    """½ ‖w‖² + C Σ max(0, 1 - y z): a margin as wide as possible, with a cost of C per unit of violation.

    Why: the distance between the hyperplanes z = ±1 is 2 / ‖w‖, so that a small ‖w‖ is a wide margin. Without this term
    any separating line would do, however close to a sample.

    Args:
        in_features: D.
        C: the weight of the hinges, for whole data sets, because the sum grows with their number.
        weight_decay: λ = 1 / (C N) instead of C: Σ (½ λ ‖w‖² + max(0, 1 - y z)) has the same minimum, and is right for
            minibatches, too.
        device, dtype: of the parameters.

    The bias is not penalised.

    Example:
        >>> x, y = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), torch.tensor([-1, -1, 1, 1])
        >>> model = SVM(2, C=10.0)
        >>> model.fit(x, y).converged, model(x).round(decimals=3).tolist()
        (True, [-3.0, -1.0, 1.0, 3.0])

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
        self.set_strength(C, weight_decay)

    def loss(
        self, scores: Float[Tensor, " N"], y: Shaped[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """Return the objective above for "sum", the share of each sample for "none"."""
        return self.objective(hinge_loss(scores, y, reduction="none"), reduction)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"], max_steps: int = 200) -> Fit:
        """Compute the minimum by an interior point method, independently of the scales of the features.

        For two classes w = w₊ - w₋ and ‖w₊‖² + ‖w₋‖² = ½ ‖w‖²: it is the multiclass machine with C / 2.

        Args:
            x, y: the data, with labels -1 and +1.
            max_steps: the largest number of Newton steps.
        """
        x, y = self.check_signs(x, y)
        rotation = rotate(x)
        phi, result = interior_point(
            rotation.features(),
            (y > 0).long(),
            2,
            "crammer_singer",
            rotation.penalty(2 / self.compute_C(len(x))),
            max_steps,
        )
        self.set_parameters(*rotation.rotate_back(phi[1:] - phi[:1]))
        return self.warn_unless_converged(result)


@component(
    60,
    "linear regression in closed form",
    paper=("Penrose 1956, On Best Approximate Solutions of Linear Matrix Equations, doi:10.1017/S0305004100030929"),
    oracle="scikit-learn's LinearRegression",
    example="LeastSquareRegression(20)(torch.randn(1, 20))",
)
class LeastSquareRegression(TwoClass):
    """Σ (z - y)² for real targets y. Legendre 1805; Gauss 1809.

    To classify labels -1 and +1, take the sign of the prediction.

    Args:
        in_features: D.
        device, dtype: of the parameters.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0]])
        >>> model = LeastSquareRegression(1)
        >>> model.fit(x, 3 * x[:, 0] + 1).converged, model(x).round(decimals=3).tolist()
        (True, [1.0, 4.0, 7.0])
    """

    def loss(
        self, scores: Float[Tensor, " N"], y: Float[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """Return (z - y)²."""
        return mse_loss(scores, y, reduction)

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """Return the scores, real numbers."""
        return self(x)

    @torch.no_grad()
    def fit_closed_form(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"]) -> Fit:
        """Set w = (X - x̄)⁺ (y - ȳ), b = ȳ - w·x̄: the solution of the normal equations Xᵀ(X w + b - y) = 0.

        If the features are linearly dependent there are many solutions; this is the one with the shortest w (Penrose
        1956).
        """
        x, y = self.check_data(x, y)
        y = y.to(x)
        rotation = rotate(x)
        phi = torch.cat([rotation.u.mT @ (y - y.mean()), y.mean(0, keepdim=True)])
        self.set_parameters(*rotation.rotate_back(phi[None]))
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
    """Σ log(1 + exp(-y z)): the negative log-likelihood of P(y | x) = σ(y z).

    Why σ: if the classes are normally distributed with one covariance, log P(+1 | x) / P(-1 | x) is linear in x.

    Args:
        in_features: D.
        device, dtype: of the parameters.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([-1, 1, -1, 1])
        >>> model = LogisticRegression(1)
        >>> model.fit(x, y).converged, model.predict(x).tolist()
        (True, [-1, -1, 1, 1])

    Cox 1958, The Regression Analysis of Binary Sequences, https://doi.org/10.1111/j.2517-6161.1958.tb00292.x.
    """

    def loss(
        self, scores: Float[Tensor, " N"], y: Shaped[Tensor, " N"], reduction: Reduction = "mean"
    ) -> Float[Tensor, "..."]:
        """Return -log σ(y z). There is no penalty: use the weight decay of the optimizer."""
        return logistic_loss(scores, y, reduction)

    @torch.no_grad()
    def predict_proba(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """Return P(y = +1 | x) = σ(z)."""
        return sigmoid(self(x))

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "N D"], threshold: float = 0.5) -> Int[Tensor, " N"]:
        """Return +1 where P(y = +1 | x) > threshold, else -1."""
        return torch.where(self.predict_proba(x) > checks.probability("threshold", threshold), 1, -1)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"], C: float = 1.0, max_steps: int = 100) -> Fit:
        """Compute the minimum of Σ log(1 + exp(-y z)) + ½ ‖w‖² / C by Newton's method.

        Args:
            x, y: the data, with labels -1 and +1.
            C: the variance of a normal prior on w; 1 as in scikit-learn. The bias is not penalised. C = inf is maximum
                likelihood, which has no solution if the classes can be separated; `fit` then warns.
            max_steps: the largest number of Newton steps.
        """
        x, y = self.check_signs(x, y)
        rotation = rotate(x)
        features, penalty = rotation.features(), rotation.penalty(compute_penalty(C))
        phi, result = newton(logistic(features, y, penalty), features.new_zeros(1, features.size(1)), max_steps)
        self.set_parameters(*rotation.rotate_back(phi))
        return self.warn_unless_converged(result)
