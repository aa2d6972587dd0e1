"""Attention: each query takes the mean of the values, weighted by how well their keys answer it.

Legend: B batch, H heads, T queries, S keys, E features of a query and a key (the papers' d_k), V features of a value.
Q, K, V are `query` (..., T, E), `key` (..., S, E), `value` (..., S, V); the leading axes are equal.

Masks, one rule everywhere:
    boolean       True = this query may attend to this key
    floating      added to the scores; -inf forbids
    shape         (T, S), or as many axes as the scores (..., T, S), each axis but the last of full size or 1:
                  (B, 1, T, S) for a mask a sample, (B, 1, 1, S) for padded keys.
                  (B, T, S) for (B, H, T, S) scores is refused: it would line up the batch with the heads.
    `is_causal`   no key after the query's own place; the last query stands at the last key, so that the queries
                  may be the newest few of a longer (cached) sequence.  Both together: what both allow.
A query that may attend to nothing gets zeros, and gives no gradient.
"""

from __future__ import annotations

from math import sqrt

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.functional.activations import tanh
from groundup.functional.dropout import dropout
from groundup.functional.softmax import softmax
from groundup.kernels import attention as kernels

Mask = Bool[Tensor, "..."] | Float[Tensor, "..."]
Attended = Float[Tensor, "*batch T V"] | tuple[Float[Tensor, "*batch T V"], Float[Tensor, "*batch T S"]]


def check_mask(mask: Tensor | None, scores: tuple[int, ...]) -> None:
    """A boolean or floating mask that fits scores of this shape without an axis being guessed."""
    if mask is None:
        return
    if checks.tensor("mask", mask).dtype != torch.bool and not mask.is_floating_point():
        raise TypeError(f"mask must be boolean (True = may attend) or floating (added), got {mask.dtype}")
    shape = tuple(mask.shape)
    if len(shape) == 2:
        fits = shape == scores[-2:]
    else:
        fits = len(shape) == len(scores) and shape[-1] == scores[-1] and all(m in (1, s) for m, s in zip(shape, scores))
    if not fits:
        raise ValueError(
            f"mask must have shape {scores[-2:]} (queries, keys), or the scores' own {scores} with 1 where it repeats"
            f" (padded keys: {(*scores[:1], *[1] * (len(scores) - 2), scores[-1])}), got {shape}"
        )


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    scale: float | None = None,
    enable_gqa: bool = False,
    need_weights: bool = False,
) -> None:
    q, k, v = (tuple(checks.floating(name, x).shape) for name, x in zip(("query", "key", "value"), (query, key, value)))
    for name, shape in (("query", q), ("key", k), ("value", v)):
        if len(shape) < 2 + enable_gqa or len(shape) != len(q):
            heads = "H, " if enable_gqa else ""
            raise ValueError(
                f"{name} must have shape (..., {heads}places, features), with as many axes as query has ({len(q)}), "
                f"got {shape}"
            )
    if k[-1] != q[-1]:
        checks.size("key", key, -1, q[-1], "features, as query has")
    if v[-2] != k[-2]:
        checks.size("value", value, -2, k[-2], "places, as key has")
    if k[-2] == 0:
        raise ValueError(f"key must hold at least one place, got shape {k}")
    batch = q[:-2]
    if enable_gqa:
        if k[-3] == 0 or q[-3] % k[-3] != 0:
            raise ValueError(f"query's heads (axis {len(q) - 3}) must be a multiple of key's {k[-3]}, got {q[-3]}")
        batch = (*batch[:-1], k[-3])
    if k[:-2] != batch or v[:-2] != batch:
        name, shape = ("key", k) if k[:-2] != batch else ("value", v)
        raise ValueError(f"{name} must have leading axes {batch}, as query has, got {shape[:-2]}")
    check_mask(mask, (*q[:-1], k[-2]))
    checks.probability("dropout_p", dropout_p)


@fused_by(kernels.scaled_dot_product_attention, check=_check)
def scaled_dot_product_attention(
    query: Float[Tensor, "*batch T E"],
    key: Float[Tensor, "*groups S E"],
    value: Float[Tensor, "*groups S V"],
    mask: Mask | None = None,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    scale: float | None = None,
    enable_gqa: bool = False,
    need_weights: bool = False,
) -> Attended:
    """Attention(Q, K, V) = softmax(Q Kᵀ / √d_k) V.   Vaswani et al. 2017, arXiv:1706.03762, equation 1.

    scale: in place of 1 / √d_k. dropout_p: each weight is dropped with this probability, always: pass 0 in eval.
    enable_gqa: key and value have H / r heads, each shared by r neighbouring query heads (Ainslie et al. 2023,
    arXiv:2305.13245). need_weights: return (output, weights (..., T, S)), the weights before dropout.
    Differs from PyTorch's function of this name: the mask's rules, and where `is_causal` puts the diagonal.
    """
    if enable_gqa:  # K_0 K_0 K_1 K_1: head h of the queries finds its keys at h // r
        repeats = query.size(-3) // key.size(-3)
        key, value = (x.repeat_interleave(repeats, -3) for x in (key, value))
    Q, K, V = (x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in (query, key, value))
    d_k = query.size(-1)

    scores = Q @ K.mT * (1 / sqrt(d_k) if scale is None else scale)  # ..., T, S
    weights = attention_weights(scores, mask, is_causal)
    output = (dropout(weights, dropout_p) @ V).to(query.dtype)
    return (output, weights.to(query.dtype)) if need_weights else output


def additive_attention(
    query: Float[Tensor, "*batch T A"],
    key: Float[Tensor, "*batch S A"],
    value: Float[Tensor, "*batch S V"],
    v: Float[Tensor, " A"],
    mask: Mask | None = None,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    need_weights: bool = False,
) -> Attended:
    """α_i = softmax_j(e_ij) and c_i = Σ_j α_ij h_j, with e_ij = vᵀ tanh(W q_i + U k_j): Bahdanau et al. 2015.

    arXiv:1409.0473, section 3.1 and appendix A.1.2; there q_i is the decoder's state s_{i-1} and k_j = h_j. `query`
    holds W q_i and `key` U k_j, so that a decoder projects its keys once. `value` holds h_j.
    """
    for name, x in (("key", key), ("value", value)):
        if x.shape[:-2] != query.shape[:-2]:
            raise ValueError(f"{name} must have query's leading axes {tuple(query.shape[:-2])}, got {tuple(x.shape)}")
    checks.size("key", key, -1, query.size(-1), "features, as query has")
    checks.size("value", value, -2, key.size(-2), "places, as key has")
    checks.require(key.size(-2) > 0, f"key must hold at least one place, got shape {tuple(key.shape)}")
    check_mask(mask, (*query.shape[:-1], key.size(-2)))

    e = tanh(query[..., :, None, :] + key[..., None, :, :]) @ v  # ..., T, S
    alpha = attention_weights(e, mask, is_causal)
    c = dropout(alpha, dropout_p) @ value
    return (c, alpha) if need_weights else c


def attention_weights(
    scores: Float[Tensor, "*batch T S"], mask: Mask | None = None, is_causal: bool = False
) -> Float[Tensor, "*batch T S"]:
    """softmax over the keys that mask and causality allow; the others, and every key of an empty row, get 0."""
    allowed = None
    if mask is not None and mask.dtype == torch.bool:
        allowed = mask
    elif mask is not None:
        scores = scores + mask
    if is_causal:
        past = causal_mask(scores.size(-2), scores.size(-1), scores.device)
        allowed = past if allowed is None else allowed & past
    return softmax(scores, -1, allowed)


def causal_mask(queries: int, keys: int, device: torch.device | None = None) -> Bool[Tensor, "T S"]:
    """True where key j is not after query i, the last query standing at the last key: j ≤ i + S - T."""
    i, j = torch.arange(queries, device=device)[:, None], torch.arange(keys, device=device)
    return j <= i + (keys - queries)
