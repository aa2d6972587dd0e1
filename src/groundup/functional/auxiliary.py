"""The loss of a network with auxiliary classifiers half-way up.

Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842, section 5.

Legend: N batch, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.functional.losses import cross_entropy


def auxiliary_cross_entropy(
    outputs: Float[Tensor, "N C"] | Sequence[Float[Tensor, "N C"]],
    target: Int[Tensor, " N"] | Float[Tensor, "N C"],
    weight: float = 0.3,
    **options: Any,
) -> Float[Tensor, "..."]:
    """L = H(z₀, y) + w Σ_i H(z_i, y), H the cross-entropy, z₀ the scores that count, z_i the auxiliary ones.

    `outputs` is (z₀, z₁, ...), as GoogLeNet gives them while training, or z₀ alone, as it does otherwise; `options`
    are `cross_entropy`'s.
    """
    checks.real("weight", weight, 0.0)
    scores, *auxiliary = (outputs,) if isinstance(outputs, Tensor) else outputs
    loss = cross_entropy(scores, target, **options)
    for others in auxiliary:
        loss = loss + weight * cross_entropy(others, target, **options)
    return loss
