"""Rows: block-sparse attention."""

from functools import cache

import torch
import torch.nn.functional as F

from groundup import functional as G
from groundup import layers as L
from rows.attention import FEATURES, compare_attention, draw_small, k, q, rounding, x
from rows.kit import Case, bad_inputs, draw_each
from rows.oracles.attention import PatternOracle, sparse_heads


def heads(n, features=4):
    return draw_each(*[(3, n, features)] * 3)


CASES = [
    *[
        Case(
            "DiagBlockAttention",
            f"n={n},l={l}",
            lambda l=l: L.DiagBlockAttention(l),
            heads(n),
            lambda l=l: PatternOracle("local", l),
        )
        for n, l in ((8, 4), (7, 3), (5, 8), (4, 1))
    ],
    *[
        Case(
            "ColumnBlockAttention",
            f"n={n},l={l},c={c}",
            lambda l=l, c=c: L.ColumnBlockAttention(l, c),
            heads(n),
            lambda l=l, c=c: PatternOracle("column", l, c),
        )
        for n, l, c in ((8, 4, 1), (7, 3, 2), (5, 8, 3), (5, 8, 4), (6, 3, 3), (4, 1, 1))
    ],
    *[
        Case(
            "SparseMultiHeadAttention",
            f"{pattern},{combine},n={n},l={l},c={c},bias={bias}",
            lambda a=(l, c, pattern, combine, bias): L.SparseMultiHeadAttention(8, 4, *a),
            draw_small((n, 8)),
            lambda a=(l, c, pattern, combine, bias): sparse_heads(8, 4, *a),
            tolerance=rounding if bias else {},
        )
        for pattern in ("fixed", "strided")
        for combine in ("merged", "heads")
        for n, l, c, bias in ((12, 4, 1, True), (11, 4, 2, False), (7, 3, 3, False), (3, 5, 1, True), (9, 1, 1, False))
    ],
]


REQUIRED = {"SparseMultiHeadAttention": (8, 2, 4)}

BAD_INPUTS = bad_inputs(
    DiagBlockAttention=[
        (lambda: L.DiagBlockAttention(0), "block_size must be at least 1, got 0"),
        (lambda: L.DiagBlockAttention(2)(x, x, x), "query must have shape (B, H, n, D)"),
        (
            lambda: L.DiagBlockAttention(2)(q, k, k),
            "key must have shape (..., n, D) with n = 3, as query has",
        ),
        (lambda: L.DiagBlockAttention(2)(*[q[:, :, :0]] * 3), "at least one token"),
    ],
    ColumnBlockAttention=[
        (lambda: L.ColumnBlockAttention(4, 5), "columns must be at most block_size=4"),
        (lambda: L.ColumnBlockAttention(4, 0), "columns must be at least 1, got 0"),
    ],
    SparseMultiHeadAttention=[
        (lambda: L.SparseMultiHeadAttention(8, 2, 4, pattern="dilated"), "pattern must be one of 'fixed', 'strided'"),
        (lambda: L.SparseMultiHeadAttention(9, 3, 4, combine="heads"), "num_heads must be even"),
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------


def compare_sparse(pattern, dense=False, tokens=4096, block=64):
    """One softmax over both parts of a pattern; the peer is dense, with the union as its mask.

    dense: the peer is written out, softmax(Q Kᵀ / √d) V, and stores its n × n weights; else it is PyTorch's kernel.
    """

    def ours(query, key, value):
        return G.merged_attention(query, key, value, block, 1, pattern)

    @cache
    def union(device):
        i = torch.arange(tokens, device=device)
        return G.sparse_mask(i, i, block, 1, pattern)

    def peer(query, key, value):
        if not dense:
            return F.scaled_dot_product_attention(query, key, value, union(query.device))
        scores = query @ key.mT / FEATURES**0.5
        return scores.masked_fill(~union(query.device), -torch.inf).softmax(-1) @ value

    against = "softmax(QKᵀ)V, masked" if dense else "F.scaled_dot_product_attention, masked"
    return compare_attention(f"{pattern} sparse", (1, 2), tokens, tokens, ours, peer, against, limit=1.0)


BENCHMARKS = [compare_sparse(pattern, dense) for dense in (False, True) for pattern in ("fixed", "strided")]
