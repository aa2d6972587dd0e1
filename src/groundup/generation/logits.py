"""Filters of scores before sampling. The score of an excluded token becomes -inf.

Legend: B batch, V vocabulary, T tokens before.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.functional.softmax import softmax


def top_k_filter(logits: Float[Tensor, "B V"], k: int) -> Float[Tensor, "B V"]:
    """Keep the k highest scores, and those equal to the k-th; all if k ≥ V.

    Why: the many unlikely tokens have a large probability together, and one of them spoils a text.

    Fan et al. 2018, Hierarchical Neural Story Generation, arXiv:1805.04833, section 5.4.
    """
    kth = logits.topk(min(checks.integer("k", k), logits.size(-1)), -1).values[..., -1:]
    return torch.where(logits < kth, -torch.inf, logits)


def top_p_filter(logits: Float[Tensor, "B V"], p: float) -> Float[Tensor, "B V"]:
    """Keep the nucleus: the smallest set of likeliest tokens whose probabilities sum to at least p.

    Why: it is small where the model is certain and large where it is not, which no fixed k is.

    Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, arXiv:1904.09751, section 3.1.
    """
    checks.require(checks.probability("p", p) > 0, f"p must lie in (0, 1], got {p}")
    sorted_logits, order = logits.sort(-1, descending=True)
    probability = softmax(sorted_logits, -1)
    before = probability.cumsum(-1) - probability  # the sum of all likelier ones
    outside = (before >= p).scatter(-1, order, before >= p)
    return torch.where(outside, -torch.inf, logits)


def penalize_repetition(logits: Float[Tensor, "B V"], seen: Int[Tensor, "B T"], penalty: float) -> Float[Tensor, "B V"]:
    """Divide positive scores of the tokens in `seen` by the penalty θ ≥ 1, and multiply negative ones by it.

    Keskar et al. 2019, CTRL, arXiv:1909.05858, section 4.1.
    Differs from the paper, which divides negative scores too and so would make those tokens more likely.
    """
    checks.real("penalty", penalty, 1.0)
    checks.rank("seen", checks.indices("seen", seen, logits.size(-1), "the vocabulary"), 2, layout="(B, T)")
    checks.size("seen", seen, 0, logits.size(0), "rows, as logits has")
    score = logits.gather(-1, seen)
    return logits.scatter(-1, seen, torch.where(score > 0, score / penalty, score * penalty))
