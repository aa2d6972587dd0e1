"""Base classes of the shallow models: affine scores, and the checks of data and the result of `fit`.

Legend: N samples, D features, C classes, K scores per sample (1 for two classes), z scores, y targets.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import isinf

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from groundup import checks
from groundup.functional import linear
from groundup.functional.losses import reduce_loss
from groundup.models.presets import Presets
from groundup.weights import Pretrained


@dataclass(frozen=True)
class Fit:
    """The result of `fit`.

    Attributes:
        steps: passes over the data for a perceptron, Newton steps for the others.
        converged: whether the solution was reached.
        history: after each step, the mistakes of a perceptron, or the objective of the others.
        note: the reason, if the solution was not reached.

    Example:
        >>> print(Fit(steps=4, converged=True, history=(3.0, 2.0, 1.9, 1.9)))
        converged after 4 steps
    """

    steps: int
    converged: bool
    history: tuple[float, ...]
    note: str = ""

    def __str__(self) -> str:
        reached = "converged" if self.converged else "not converged"
        return f"{reached} after {self.steps} steps" + (f": {self.note}" if self.note else "")


class Affine(Pretrained, Presets, nn.Module):
    """z = W x + b, with weight (K, D) and bias (K,).

    Both are initialised with zero: the losses are convex, so that there is no symmetry to break.
    """

    def __init__(
        self,
        in_features: int,
        outputs: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features)
        self.weight = nn.Parameter(torch.empty(outputs, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(outputs, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        self.weight.zero_()
        self.bias.zero_()

    def scores(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        checks.rank("x", checks.floating("x", x), 2, layout="(N, in_features)")
        return linear(x, self.weight, self.bias)

    @torch.no_grad()
    def set_parameters(self, weight: Float[Tensor, "K D"], bias: Float[Tensor, " K"]) -> None:
        """Copy a solution into the parameters."""
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def warn_unless_converged(self, result: Fit) -> Fit:
        """Return `result`, after a warning if it did not converge."""
        if not result.converged:
            warnings.warn(f"{type(self).__name__}.fit: {result.note}", stacklevel=3)
        return result

    def check_data(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"]) -> tuple[Float[Tensor, "N D"], Tensor]:
        """Return (x in float64, y), detached. Raises `ValueError` for data that `fit` cannot use."""
        checks.rank("x", checks.floating("x", x), 2, layout="(N, in_features)")
        checks.size("x", x, 1, self.in_features, "features, as in_features says")
        checks.require(len(x) > 0, "x is empty: fit needs at least one sample")
        checks.rank("y", checks.tensor("y", y), 1, layout="(N,)")
        checks.size("y", y, 0, len(x), "entries, one for each sample of x")
        for name, value in (("x", x), ("y", y)):
            if not value.isfinite().all():
                raise ValueError(f"{name} must be finite, got NaN or infinity; leave out or fill in those samples")
        return x.detach().double(), y.detach()

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}"


class TwoClass(Affine):
    """x (N, D) → scores z (N,). Labels are -1 and +1; the prediction for z = 0 is -1, as in scikit-learn."""

    def __init__(
        self, in_features: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(in_features, 1, device, dtype)

    def forward(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        return self.scores(x).squeeze(1)

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "N D"]) -> Int[Tensor, " N"]:
        """Return the predicted labels, each -1 or +1."""
        return torch.where(self(x) > 0, 1, -1)

    def check_signs(self, x: Tensor, y: Tensor) -> tuple[Float[Tensor, "N D"], Float[Tensor, " N"]]:
        """Return `check_data` of labels -1 and +1, both of which must occur."""
        x, y = self.check_data(x, y)
        checks.signs("y", y)
        checks.require(bool((y != y[0]).any()), f"y must hold both -1 and +1, got only {int(y[0])}")
        return x, y.double()


class Multiclass(Affine):
    """x (N, D) → scores z (N, C), the largest of which is the prediction. Labels are class indices."""

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, checks.integer("num_classes", num_classes, 2), device, dtype)
        self.num_classes = num_classes

    def forward(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        return self.scores(x)

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "N D"]) -> Int[Tensor, " N"]:
        """Return the predicted class indices."""
        return self(x).argmax(1)

    def check_labels(self, x: Tensor, y: Tensor) -> tuple[Float[Tensor, "N D"], Int[Tensor, " N"]]:
        """Return `check_data` of class indices, all of which must occur: an absent class has no finite bias."""
        x, y = self.check_data(x, y)
        if y.dtype != torch.int64:
            raise TypeError(f"y must hold int64 class indices, got {y.dtype}; use y.long()")
        checks.labels("y", y, self.num_classes)
        absent = (y.bincount(minlength=self.num_classes) == 0).nonzero()
        checks.require(len(absent) == 0, f"y has no sample of class {absent[0].item() if len(absent) else ''}")
        return x, y

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_classes={self.num_classes}"


class MarginTerm:
    """The term ½ ‖W‖² of the support vector machines, weighed against the hinges by `C` or `weight_decay`."""

    weight: nn.Parameter

    def set_strength(self, C: float, weight_decay: float | None) -> None:
        checks.require(
            weight_decay is None or C == 1.0,
            f"give either C or weight_decay (weight_decay = 1 / (C N)), got C={C} and {weight_decay=}",
        )
        self.C = check_positive("C", C)
        self.weight_decay = None if weight_decay is None else check_positive("weight_decay", weight_decay)

    def compute_C(self, samples: int) -> float:
        """Return C for a data set of `samples` samples."""
        return self.C if self.weight_decay is None else 1 / (self.weight_decay * samples)

    def objective(self, hinges: Float[Tensor, " N"], reduction: str) -> Float[Tensor, "..."]:
        """Return ½ ‖W‖² + C Σ hinges; each sample has an equal share of the first term."""
        checks.choice("reduction", reduction, ("none", "mean", "sum"))
        margin = 0.5 * self.weight.square().sum()
        if self.weight_decay is not None:
            return reduce_loss(hinges + self.weight_decay * margin, reduction)
        return reduce_loss(self.C * hinges + margin / max(len(hinges), 1), reduction)


def check_positive(name: str, value: float) -> float:
    checks.require(checks.real(name, value, 0.0) > 0, f"{name} must be positive, got {value}")
    return float(value)


def compute_penalty(C: float) -> float:
    """Return 1 / C, the factor of ½ ‖W‖²: 0 for C = inf."""
    return 0.0 if isinf(C) and C > 0 else 1 / check_positive("C", C)
