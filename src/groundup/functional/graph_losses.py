"""Learning on a graph without labels: nodes that meet on a walk should be near one another, others far."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.functional.activations import logsigmoid
from groundup.functional.losses import Reduction, reduced


def walk_loss(
    u: Float[Tensor, "P C"], v: Float[Tensor, "P C"], negatives: Float[Tensor, "Q C"], reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """-log σ(z_u · z_v) - Σ_q log σ(-z_u · z_q) of each pair (u, v).

    Row by row, u and v hold the vectors of two nodes that meet on a walk; the Q negatives, nodes drawn at random, are
    shared by all pairs. Hamilton et al. 2017, Inductive Representation Learning on Large Graphs, arXiv:1706.02216,
    equation 1, with its Q times an expectation taken over Q draws.
    """
    for name, value in (("u", u), ("v", v), ("negatives", negatives)):
        checks.rank(name, checks.floating(name, value), 2, layout="(nodes, C)")
        checks.size(name, value, 1, u.size(1), "features, as u has")
    checks.size("v", v, 0, len(u), "rows, one for each of u")
    near, far = (u * v).sum(-1), u @ negatives.mT
    return reduced(-logsigmoid(near) - logsigmoid(-far).sum(-1), reduction)
