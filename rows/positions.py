"""Rows: positions, and the cache of keys and values."""

import torch

from groundup import functional as G
from groundup import layers as L
from rows.kit import Case, bad_inputs, draw, randn, simple
from rows.oracles.attention import BiasOracle, RotaryOracle, SinusoidOracle, rotary_oracle

CASES = [
    *[
        Case(
            "PositionalEncoding",
            f"embed_dim={e},max_len={n}",
            lambda e=e, n=n: L.PositionalEncoding(e, n),
            draw(6, e),
            lambda e=e: SinusoidOracle(e),
        )
        for e in (8, 5)
        for n in (6, 3)
    ],
    *[
        Case(
            "RotaryEncoding",
            f"interleaved={interleaved},max_len={n}",
            lambda i=interleaved, n=n: L.RotaryEncoding(6, n, interleaved=i),
            draw(3, 7, 6),
            lambda i=interleaved: RotaryOracle(6, interleaved=i),
        )
        for interleaved in (False, True)
        for n in (7, 2)
    ],
    *[
        Case(
            "RelativePositionBias2d",
            f"{height}×{width}",
            lambda s=(height, width): L.RelativePositionBias2d(*s, 2),
            lambda batch=2, dtype=torch.float64: (),
            lambda s=(height, width): BiasOracle(*s, 2),
            batches=(),
            differentiable=False,  # it has no input
        )
        for height, width in ((3, 3), (2, 4))
    ],
]


FUNCTION_CASES = [
    *[
        simple(
            G.rotary, rotary_oracle, randn(2, 4, 3, 6), *angles, interleaved=interleaved, label=f"{kind},{interleaved}"
        )
        for kind, angles in (
            ("one row a place", (randn(3, 3, seed=3), randn(3, 3, seed=4))),
            ("of each sample", (randn(2, 1, 3, 3, seed=3), randn(2, 1, 3, 3, seed=4))),
        )
        for interleaved in (False, True)
    ]
]

q, k = torch.ones(2, 4, 3, 8), torch.ones(2, 4, 5, 8)
x = torch.ones(2, 3, 8)
cache = L.KVCache(2, 4, 6, 8)


def fill_cache():
    held = L.KVCache(2, 4, 6, 8)
    held.update(torch.ones(2, 4, 5, 8), torch.ones(2, 4, 5, 8))
    return held


REQUIRED = {"RelativePositionBias2d": (2, 3, 4)}

BAD_INPUTS = bad_inputs(
    KVCache=[
        (lambda: L.KVCache(2, 4, 0, 8), "max_len must be at least 1, got 0"),
        (lambda: cache.update(torch.ones(3, 4, 1, 8), torch.ones(3, 4, 1, 8)), "k must have shape (2, 4, 1, 8)"),
        (lambda: cache.update(k[:, :, :1], k[:, :, :2]), "v must have shape (2, 4, 1, 8)"),
        (lambda: cache.update(k.half(), k.half()), "k must be torch.float32 on cpu"),
        (
            lambda: fill_cache().update(k[:, :, :2], k[:, :, :2]),
            "the cache is full: it holds 5 tokens of max_len=6 and was given 2 more",
        ),
        (lambda: cache.reorder(torch.zeros(2, 2).long()), "index must have shape (N,)"),
        (lambda: cache.reorder(torch.zeros(2)), "TypeError: index must hold integers"),
    ],
    PositionalEncoding=[
        (lambda: L.PositionalEncoding(8, 0), "max_len must be at least 1, got 0"),
        (lambda: L.PositionalEncoding(6, 4)(x), "x must have 6 features (embed_dim)"),
        (lambda: L.PositionalEncoding(8, 4)(x, -1), "position must be at least 0, got -1"),
        (
            lambda: L.PositionalEncoding(8, 4)(x, torch.zeros(3).long()),
            "position must be an int, or have shape (2,) or (2, 3), got (3,)",
        ),
        (lambda: L.PositionalEncoding(8, 4)(x, torch.zeros(2)), "TypeError: position must hold integers"),
    ],
    RotaryEncoding=[
        (lambda: L.RotaryEncoding(5, 4), "head_dim must be even"),
        (lambda: L.RotaryEncoding(4, 4, base=0.0), "base must be positive, got 0.0"),
        (lambda: L.RotaryEncoding(8, 4)(x), "x must have shape (B, H, T, D)"),
        (lambda: L.RotaryEncoding(6, 4)(q), "x must have 6 features (head_dim)"),
    ],
    RelativePositionBias2d=[(lambda: L.RelativePositionBias2d(0, 2, 2), "height must be at least 1, got 0")],
)
