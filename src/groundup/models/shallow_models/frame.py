"""What the shallow models share: scores affine in the features, and the data and the report of `fit`.

Legend: N samples, D features, C classes, K scores a sample (1 for two classes), z scores, y targets.
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
from groundup.functional.losses import REDUCTIONS, reduced
from groundup.models.presets import Presets
from groundup.weights import Pretrained


@dataclass(frozen=True)
class Fit:
    """What `fit` did.

    steps       passes over the data of a perceptron, Newton steps of the others
    converged   whether the solution was reached; `note` says what happened if it was not
    history     after each step, what it makes small: a perceptron's mistakes, the others' objective
    """

    steps: int
    converged: bool
    history: tuple[float, ...]
    note: str = ""

    def __str__(self) -> str:
        reached = "converged" if self.converged else "not converged"
        return f"{reached} after {self.steps} steps" + (f": {self.note}" if self.note else "")


class Affine(Pretrained, Presets, nn.Module):
    """z = W x + b, with weight (K, D) and bias (K,); both begin at zero: no symmetry needs to be broken here."""

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
    def put(self, weight: Float[Tensor, "K D"], bias: Float[Tensor, " K"]) -> None:
        """Take the solution that a solver found, in the parameters' own precision."""
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def report(self, result: Fit) -> Fit:
        """`result`, and a warning where it is not what was asked for."""
        if not result.converged:
            warnings.warn(f"{type(self).__name__}.fit: {result.note}", stacklevel=3)
        return result

    def table(self, x: Float[Tensor, "N D"], y: Shaped[Tensor, " N"]) -> tuple[Float[Tensor, "N D"], Tensor]:
        """`fit`'s data, checked: (x in float64, y), apart from any graph."""
        checks.rank("x", checks.floating("x", x), 2, layout="(N, in_features)")
        checks.size("x", x, 1, self.in_features, "features, as in_features says")
        checks.require(len(x) > 0, "x is empty: fit needs at least one sample")
        checks.rank("y", checks.tensor("y", y), 1, layout="(N,)")
        checks.size("y", y, 0, len(x), "entries, one for each sample of x")
        for name, value in (("x", x), ("y", y)):
            if not value.isfinite().all():
                raise ValueError(f"{name} must be finite, got NaN or infinity; leave those samples out or fill them in")
        return x.detach().double(), y.detach()

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}"


class TwoClass(Affine):
    """x (N, D) → scores z (N,). Labels are -1 and +1; z = 0 is predicted -1, as in scikit-learn."""

    def __init__(
        self, in_features: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(in_features, 1, device, dtype)

    def forward(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        return self.scores(x).squeeze(1)

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "N D"]) -> Int[Tensor, " N"]:
        """The labels, each -1 or +1."""
        return torch.where(self(x) > 0, 1, -1)

    def signed_table(self, x: Tensor, y: Tensor) -> tuple[Float[Tensor, "N D"], Float[Tensor, " N"]]:
        """`table` with labels -1 and +1, both of which occur."""
        x, y = self.table(x, y)
        checks.signs("y", y)
        checks.require(bool((y != y[0]).any()), f"y must hold both -1 and +1, got {int(y[0])} alone")
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
        """The class indices."""
        return self(x).argmax(1)

    def labelled_table(self, x: Tensor, y: Tensor) -> tuple[Float[Tensor, "N D"], Int[Tensor, " N"]]:
        """`table` with class indices, all of which occur: an absent class has no finite bias."""
        x, y = self.table(x, y)
        if y.dtype != torch.int64:
            raise TypeError(f"y must hold int64 class indices, got {y.dtype}; use y.long()")
        checks.labels("y", y, self.num_classes)
        absent = (y.bincount(minlength=self.num_classes) == 0).nonzero()
        checks.require(len(absent) == 0, f"y has no sample of class {absent[0].item() if len(absent) else ''}")
        return x, y

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_classes={self.num_classes}"


class MarginTerm:
    """½ ‖W‖² against the hinges: what the support vector machines add to a model. They set `C` or `weight_decay`."""

    weight: nn.Parameter

    def price(self, C: float, weight_decay: float | None) -> None:
        checks.require(
            weight_decay is None or C == 1.0,
            f"give C or weight_decay, one of them (weight_decay = 1 / (C N)): got C={C} and {weight_decay=}",
        )
        self.C = positive("C", C)
        self.weight_decay = None if weight_decay is None else positive("weight_decay", weight_decay)

    def C_of(self, samples: int) -> float:
        """C, for a data set of so many samples."""
        return self.C if self.weight_decay is None else 1 / (self.weight_decay * samples)

    def objective(self, hinges: Float[Tensor, " N"], reduction: str) -> Float[Tensor, "..."]:
        """½ ‖W‖² + C Σ hinges, of which each sample has an equal share of the first term."""
        checks.choice("reduction", reduction, REDUCTIONS)
        margin = 0.5 * self.weight.square().sum()
        if self.weight_decay is not None:
            return reduced(hinges + self.weight_decay * margin, reduction)
        return reduced(self.C * hinges + margin / max(len(hinges), 1), reduction)


def positive(name: str, value: float) -> float:
    checks.require(checks.real(name, value, 0.0) > 0, f"{name} must be positive, got {value}")
    return float(value)


def inverse_strength(C: float) -> float:
    """1 / C: the strength of ½ ‖W‖², none for C = inf."""
    return 0.0 if isinf(C) and C > 0 else 1 / positive("C", C)
