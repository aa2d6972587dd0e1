"""Rows: attention, dense and sparse, and positions."""

import torch

from groundup import functional as G
from groundup import layers as L
from groundup.layers.multi_head_attention import torch_state
from rows.kit import Case, grid, label, randn, seeded_randn, shaped, simple
from rows.oracles.attention import (
    AdditiveOracle,
    BiasOracle,
    DotProductOracle,
    HeadsOracle,
    PatternOracle,
    RotaryOracle,
    SinusoidOracle,
    TorchMultiHead,
    WindowOracle,
    attention_oracle,
    rotary_oracle,
    sparse_heads,
)


def several(*shapes):
    """Inputs of several shapes, each without its batch."""
    return lambda batch=2, dtype=torch.float64: tuple(
        seeded_randn(batch, *shape, dtype=dtype, seed=2 + i) for i, shape in enumerate(shapes)
    )


def small(*shapes):
    """The same at a third of the size: random projections of them make scores that leave the softmax unsaturated."""
    make = several(*shapes)
    return lambda batch=2, dtype=torch.float64: tuple(x / 3 for x in make(batch, dtype))


def heads(n, features=4):
    return several(*[(3, n, features)] * 3)


bool_mask = torch.tensor([[True, False, True, True, False], [True] * 5, [False, True, False, False, True]])
#: The gradient to a key's bias is 0 (softmax is shift-invariant) but for rounding: in bfloat16, that of its terms.
rounding = {torch.bfloat16: 0.1}
float_mask = seeded_randn(3, 5, seed=9).masked_fill(~bool_mask, -torch.inf)

CASES = [
    *[
        Case(
            "DotProductAttention",
            f"{name},{label(**options)}",
            lambda o=options: L.DotProductAttention(**o),
            inputs,
            lambda o=options: DotProductOracle(**o),
            random=options["dropout"] > 0,
        )
        for name, inputs in (
            ("3 axes", several((4, 6), (5, 6), (5, 3))),
            ("4 axes", several((3, 4, 6), (3, 5, 6), (3, 5, 6))),
            ("5 axes", several((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 6))),
        )
        for options in grid(scaled=(True, False), dropout=(0.0, 0.4))
    ],
    Case(
        "AdditiveAttention",
        "",
        lambda: L.AdditiveAttention(3, 4, 6),
        several((5, 3), (4, 4), (4, 2)),
        lambda: AdditiveOracle(3, 4, 6),
    ),
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
            "MultiHeadAttention",
            f"{name},{label(**options)}",
            lambda o=options: L.MultiHeadAttention(8, 2, **o),
            inputs,
            lambda o=options: TorchMultiHead(8, 2, **o),
            random=options.get("dropout", 0) > 0,
            transfer=torch_state,
            tolerance=rounding if options.get("bias", True) else {},
        )
        for name, inputs, options in (
            ("self", small((5, 8)), {}),
            ("self", small((5, 8)), {"bias": False}),
            ("self", small((5, 8)), {"dropout": 0.4}),
            ("cross", small((5, 8), (3, 8)), {}),
            ("cross", small((5, 8), (3, 8), (3, 8)), {}),
            ("cross", small((5, 8), (3, 6), (3, 6)), {"kdim": 6, "vdim": 6}),
            ("cross", small((5, 8), (3, 6), (3, 4)), {"kdim": 6, "vdim": 4, "bias": False}),
        )
    ],
    *[
        Case(
            "MultiHeadAttention",
            f"heads={h}",
            lambda h=h: L.MultiHeadAttention(8, h),
            small((5, 8)),
            lambda h=h: TorchMultiHead(8, h),
            transfer=torch_state,
            tolerance=rounding,
        )
        for h in (1, 8)
    ],
    *[
        Case(
            "GroupedQueryAttention",
            f"groups={g},bias={bias}",
            lambda g=g, b=bias: L.GroupedQueryAttention(8, 4, g, bias=b),
            small((5, 8)),
            lambda g=g, b=bias: HeadsOracle(8, 4, g, bias=b),
            tolerance=rounding if bias else {},
        )
        for g in (1, 2, 4)
        for bias in (True, False)
    ],
    *[
        Case(
            "RelativeWindowAttention",
            f"window={window},bias={bias}",
            lambda w=window, b=bias: L.RelativeWindowAttention(8, 2, w, bias=b),
            small((n, 8)),
            lambda w=window, b=bias: WindowOracle(8, 2, w, bias=b),
            tolerance=rounding if bias else {},
        )
        for window, n in ((3, 9), ((2, 3), 6), (1, 1))
        for bias in (True, False)
    ],
    *[
        Case(
            "SparseMultiHeadAttention",
            f"{pattern},{combine},n={n},l={l},c={c},bias={bias}",
            lambda a=(l, c, pattern, combine, bias): L.SparseMultiHeadAttention(8, 4, *a),
            small((n, 8)),
            lambda a=(l, c, pattern, combine, bias): sparse_heads(8, 4, *a),
            tolerance=rounding if bias else {},
        )
        for pattern in ("fixed", "strided")
        for combine in ("merged", "heads")
        for n, l, c, bias in ((12, 4, 1, True), (11, 4, 2, False), (7, 3, 3, False), (3, 5, 1, True), (9, 1, 1, False))
    ],
    *[
        Case(
            "PositionalEncoding",
            f"embed_dim={e},max_len={n}",
            lambda e=e, n=n: L.PositionalEncoding(e, n),
            shaped(6, e),
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
            shaped(3, 7, 6),
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


def attention(label, *, queries=3, keys=5, batch=(2, 4), groups=(2, 4), value=4, smooth=True, **options):
    return simple(
        G.scaled_dot_product_attention,
        attention_oracle,
        randn(*batch, queries, 4),
        randn(*groups, keys, 4, seed=3),
        randn(*groups, keys, value, seed=4),
        label=label,
        smooth=smooth,
        **options,
    )


def constant(tensor):
    return lambda dtype: tensor.to(dtype) if tensor.is_floating_point() else tensor


FUNCTION_CASES = [
    *[
        attention(f"{name},{len(batch) + 2} axes,V={value}", batch=batch, groups=batch, value=value, **options)
        for batch in ((2, 4), (), (2,), (2, 2, 2), (1, 2, 1, 2))
        for value in (4, 6)
        for name, options in (
            ("plain", {}),
            ("boolean", {"mask": constant(bool_mask)}),
            ("float", {"mask": constant(float_mask)}),
            ("causal", {"is_causal": True}),
            ("square", {"is_causal": True, "queries": 5}),
        )
    ],
    *[
        attention(
            f"mask {'×'.join(map(str, shape))},{kind},causal={is_causal}", mask=constant(mask), is_causal=is_causal
        )
        for shape in ((2, 1, 1, 5), (2, 1, 3, 5), (1, 4, 3, 5), (2, 4, 3, 5))
        for allowed in [seeded_randn(*shape, seed=8) > -0.8]
        for kind, mask in (
            ("boolean", allowed.index_fill(-1, torch.tensor(0), True)),
            ("float", seeded_randn(*shape, seed=9)),
        )
        for is_causal in (False, True)
    ],
    attention(
        "five axes, mask a block",
        batch=(2, 1, 2, 2),
        groups=(2, 1, 2, 2),
        mask=constant(bool_mask.expand(1, 1, 2, 1, 3, 5)),
    ),
    attention(
        "five axes, mask a sample", batch=(2, 3, 2), groups=(2, 3, 2), mask=constant(bool_mask.expand(2, 1, 1, 3, 5))
    ),
    attention("dropout", dropout_p=0.4, smooth=False),
    attention("dropout, groups", dropout_p=0.4, groups=(2, 2), enable_gqa=True, smooth=False),
    attention("one query, causal", queries=1, is_causal=True),
    attention("scale", scale=0.3),
    attention("groups", groups=(2, 2), enable_gqa=True),
    attention("one group, causal", groups=(2, 1), enable_gqa=True, is_causal=True),
    attention("groups, 3 axes", batch=(4,), groups=(2,), enable_gqa=True),
    attention("groups, weights", groups=(2, 2), enable_gqa=True, need_weights=True),
    attention("weights", need_weights=True, mask=constant(bool_mask)),
    *[
        simple(
            G.rotary, rotary_oracle, randn(2, 4, 3, 6), *angles, interleaved=interleaved, label=f"{kind},{interleaved}"
        )
        for kind, angles in (
            ("one row a place", (randn(3, 3, seed=3), randn(3, 3, seed=4))),
            ("of each sample", (randn(2, 1, 3, 3, seed=3), randn(2, 1, 3, 3, seed=4))),
        )
        for interleaved in (False, True)
    ],
]

q, k, v = torch.ones(2, 4, 3, 8), torch.ones(2, 4, 5, 8), torch.ones(2, 4, 5, 6)
x = torch.ones(2, 3, 8)
cache = L.KVCache(2, 4, 6, 8)


def dot(*arguments, **options):
    return lambda: L.DotProductAttention()(*arguments, **options)


def multi(*arguments, **options):
    return lambda: L.MultiHeadAttention(8, 2)(*arguments, **options)


def filled():
    held = L.KVCache(2, 4, 6, 8)
    held.update(torch.ones(2, 4, 5, 8), torch.ones(2, 4, 5, 8))
    return held


REQUIRED = {
    "AdditiveAttention": (3, 4, 5),
    "MultiHeadAttention": (8, 2),
    "GroupedQueryAttention": (8, 4, 2),
    "RelativeWindowAttention": (8, 2, 3),
    "SparseMultiHeadAttention": (8, 2, 4),
    "RelativePositionBias2d": (2, 3, 4),
}

BAD_INPUTS = [
    # masks: no axis is guessed
    ("DotProductAttention", dot(q, k, v, torch.ones(2, 3, 5).bool()), ValueError, "mask must have shape (3, 5)"),
    ("DotProductAttention", dot(q, k, v, torch.ones(4, 3, 5).bool()), ValueError, "padded keys: (2, 1, 1, 5)"),
    ("DotProductAttention", dot(q, k, v, torch.ones(2, 5).bool()), ValueError, "got (2, 5)"),
    ("DotProductAttention", dot(q, k, v, torch.ones(5).bool()), ValueError, "got (5,)"),
    ("DotProductAttention", dot(q, k, v, torch.ones(2, 1, 3, 1).bool()), ValueError, "got (2, 1, 3, 1)"),
    (
        "DotProductAttention",
        dot(q, k, v, torch.ones(3, 5).long()),
        TypeError,
        "mask must be boolean (True = may attend)",
    ),
    ("DotProductAttention", dot(q, k, v, [[True]]), TypeError, "mask must be a torch.Tensor"),
    # shapes
    ("DotProductAttention", dot(q.long(), k, v), TypeError, "query must be a floating-point tensor"),
    ("DotProductAttention", dot(q, k[0], v), ValueError, "key must have shape (..., places, features)"),
    ("DotProductAttention", dot(q[..., :7], k, v), ValueError, "key must have 7 features, as query has"),
    ("DotProductAttention", dot(q, k, v[:, :, :4]), ValueError, "value must have 5 places, as key has"),
    ("DotProductAttention", dot(q, k[:, :2], v[:, :2]), ValueError, "key must have leading axes (2, 4), as query has"),
    ("DotProductAttention", dot(q, k[:, :, :0], v[:, :, :0]), ValueError, "key must hold at least one place"),
    ("DotProductAttention", lambda: L.DotProductAttention(dropout=1.5), ValueError, "dropout must be"),
    (
        "scaled_dot_product_attention",
        lambda: G.scaled_dot_product_attention(q, k[:, :3], v[:, :3], enable_gqa=True),
        ValueError,
        "query's heads (axis 1) must be a multiple of key's 3, got 4",
    ),
    (
        "scaled_dot_product_attention",
        lambda: G.scaled_dot_product_attention(q, k, v, dropout_p=-0.1),
        ValueError,
        "dropout_p",
    ),
    ("AdditiveAttention", lambda: L.AdditiveAttention(3, 4, 0), ValueError, "hidden_size must be at least 1, got 0"),
    (
        "AdditiveAttention",
        lambda: L.AdditiveAttention(3, 8, 5)(x, x, x),
        ValueError,
        "query must have 3 features (query_size)",
    ),
    (
        "AdditiveAttention",
        lambda: L.AdditiveAttention(8, 8, 5)(x, x[:1], x),
        ValueError,
        "key must have query's leading",
    ),
    ("AdditiveAttention", lambda: L.AdditiveAttention(8, 8, 5)(x, x, x[:, :2]), ValueError, "value must have 3 places"),
    (
        "AdditiveAttention",
        lambda: L.AdditiveAttention(8, 8, 5)(x, x, x, torch.ones(2, 3).bool()),
        ValueError,
        "mask must have shape (3, 3)",
    ),
    ("DiagBlockAttention", lambda: L.DiagBlockAttention(0), ValueError, "block_size must be at least 1, got 0"),
    ("DiagBlockAttention", lambda: L.DiagBlockAttention(2)(x, x, x), ValueError, "query must have shape (B, H, n, D)"),
    (
        "DiagBlockAttention",
        lambda: L.DiagBlockAttention(2)(q, k, k),
        ValueError,
        "key must have shape (..., n, features) with query's leading axes (2, 4, 3)",
    ),
    ("DiagBlockAttention", lambda: L.DiagBlockAttention(2)(*[q[:, :, :0]] * 3), ValueError, "at least one token"),
    ("ColumnBlockAttention", lambda: L.ColumnBlockAttention(4, 5), ValueError, "columns must be at most block_size=4"),
    ("ColumnBlockAttention", lambda: L.ColumnBlockAttention(4, 0), ValueError, "columns must be at least 1, got 0"),
    (
        "MultiHeadAttention",
        lambda: L.MultiHeadAttention(8, 3),
        ValueError,
        "embed_dim must be divisible by num_heads=3, got 8",
    ),
    ("MultiHeadAttention", lambda: L.MultiHeadAttention(8, 2.0), TypeError, "num_heads must be an int"),
    ("MultiHeadAttention", multi(x[0]), ValueError, "query must have shape (B, places, features), got 2 axes"),
    ("MultiHeadAttention", multi(x[..., :7]), ValueError, "query must have 8 features"),
    ("MultiHeadAttention", multi(x, x[:1]), ValueError, "key must have 2 samples, as query has (axis 0), got 1"),
    ("MultiHeadAttention", multi(x, x, x[:, :2]), ValueError, "value must have 3 places, as key has"),
    ("MultiHeadAttention", multi(x, mask=torch.ones(2, 3, 3).bool()), ValueError, "mask must have shape (3, 3)"),
    (
        "GroupedQueryAttention",
        lambda: L.GroupedQueryAttention(8, 4, 3),
        ValueError,
        "num_heads must be divisible by num_kv_heads=3, got 4",
    ),
    ("RelativeWindowAttention", lambda: L.RelativeWindowAttention(8, 2, "3"), TypeError, "window_size must be an int"),
    (
        "RelativeWindowAttention",
        lambda: L.RelativeWindowAttention(8, 2, 2)(x),
        ValueError,
        "x must have 4 tokens, a window of 2 × 2",
    ),
    (
        "RelativeWindowAttention",
        lambda: L.RelativeWindowAttention(8, 2, (1, 3))(x, torch.ones(3, 3, 3)),
        ValueError,
        "mask must have shape (W, 3, 3) with W a divisor of x's 2 windows",
    ),
    (
        "SparseMultiHeadAttention",
        lambda: L.SparseMultiHeadAttention(8, 2, 4, pattern="dilated"),
        ValueError,
        "pattern must be one of 'fixed', 'strided'",
    ),
    (
        "SparseMultiHeadAttention",
        lambda: L.SparseMultiHeadAttention(9, 3, 4, combine="heads"),
        ValueError,
        "num_heads must be even",
    ),
    ("KVCache", lambda: L.KVCache(2, 4, 0, 8), ValueError, "max_len must be at least 1, got 0"),
    (
        "KVCache",
        lambda: cache.update(torch.ones(3, 4, 1, 8), torch.ones(3, 4, 1, 8)),
        ValueError,
        "k must have shape (2, 4, 1, 8)",
    ),
    ("KVCache", lambda: cache.update(k[:, :, :1], k[:, :, :2]), ValueError, "v must have shape (2, 4, 1, 8)"),
    ("KVCache", lambda: cache.update(k.half(), k.half()), ValueError, "k must be torch.float32 on cpu"),
    (
        "KVCache",
        lambda: filled().update(k[:, :, :2], k[:, :, :2]),
        ValueError,
        "the cache is full: it holds 5 tokens of max_len=6 and was given 2 more",
    ),
    ("KVCache", lambda: cache.reorder(torch.zeros(2, 2).long()), ValueError, "index must have shape (N,)"),
    ("KVCache", lambda: cache.reorder(torch.zeros(2)), TypeError, "index must hold integers"),
    ("PositionalEncoding", lambda: L.PositionalEncoding(8, 0), ValueError, "max_len must be at least 1, got 0"),
    ("PositionalEncoding", lambda: L.PositionalEncoding(6, 4)(x), ValueError, "x must have 6 features (embed_dim)"),
    (
        "PositionalEncoding",
        lambda: L.PositionalEncoding(8, 4)(x, -1),
        ValueError,
        "position must be at least 0, got -1",
    ),
    (
        "PositionalEncoding",
        lambda: L.PositionalEncoding(8, 4)(x, torch.zeros(3).long()),
        ValueError,
        "position must be an int, or have shape (2,) or (2, 3), got (3,)",
    ),
    (
        "PositionalEncoding",
        lambda: L.PositionalEncoding(8, 4)(x, torch.zeros(2)),
        TypeError,
        "position must hold integers",
    ),
    ("RotaryEncoding", lambda: L.RotaryEncoding(5, 4), ValueError, "head_dim must be even"),
    ("RotaryEncoding", lambda: L.RotaryEncoding(4, 4, base=0.0), ValueError, "base must be positive, got 0.0"),
    ("RotaryEncoding", lambda: L.RotaryEncoding(8, 4)(x), ValueError, "x must have shape (B, H, T, D)"),
    ("RotaryEncoding", lambda: L.RotaryEncoding(6, 4)(q), ValueError, "x must have 6 features (head_dim)"),
    (
        "RelativePositionBias2d",
        lambda: L.RelativePositionBias2d(0, 2, 2),
        ValueError,
        "height must be at least 1, got 0",
    ),
]
