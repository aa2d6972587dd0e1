"""Rows: dense attention."""

from functools import partial

import torch
import torch.nn.functional as F

from groundup import functional as G
from groundup import layers as L
from groundup.layers.multi_head_attention import torch_state
from rows.benchmark import compare_calls, same_values
from rows.kit import Case, bad_inputs, draw_each, grid, label, randn, seeded_randn, simple
from rows.oracles.attention import (
    AdditiveOracle,
    DotProductOracle,
    HeadsOracle,
    TorchMultiHead,
    WindowOracle,
    attention_oracle,
)
from rows.units import fill


def draw_small(*shapes):
    """The same at a third of the size: random projections of them make scores that leave the softmax unsaturated."""
    make = draw_each(*shapes)
    return lambda batch=2, dtype=torch.float64: tuple(x / 3 for x in make(batch, dtype))


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
            ("3 axes", draw_each((4, 6), (5, 6), (5, 3))),
            ("4 axes", draw_each((3, 4, 6), (3, 5, 6), (3, 5, 6))),
            ("5 axes", draw_each((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 6))),
        )
        for options in grid(scaled=(True, False), dropout=(0.0, 0.4))
    ],
    Case(
        "AdditiveAttention",
        "",
        lambda: L.AdditiveAttention(3, 4, 6),
        draw_each((5, 3), (4, 4), (4, 2)),
        lambda: AdditiveOracle(3, 4, 6),
    ),
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
            ("self", draw_small((5, 8)), {}),
            ("self", draw_small((5, 8)), {"bias": False}),
            ("self", draw_small((5, 8)), {"dropout": 0.4}),
            ("cross", draw_small((5, 8), (3, 8)), {}),
            ("cross", draw_small((5, 8), (3, 8), (3, 8)), {}),
            ("cross", draw_small((5, 8), (3, 6), (3, 6)), {"kdim": 6, "vdim": 6}),
            ("cross", draw_small((5, 8), (3, 6), (3, 4)), {"kdim": 6, "vdim": 4, "bias": False}),
        )
    ],
    *[
        Case(
            "MultiHeadAttention",
            f"heads={h}",
            lambda h=h: L.MultiHeadAttention(8, h),
            draw_small((5, 8)),
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
            draw_small((5, 8)),
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
            draw_small((n, 8)),
            lambda w=window, b=bias: WindowOracle(8, 2, w, bias=b),
            tolerance=rounding if bias else {},
        )
        for window, n in ((3, 9), ((2, 3), 6), (1, 1))
        for bias in (True, False)
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
]

q, k, v = torch.ones(2, 4, 3, 8), torch.ones(2, 4, 5, 8), torch.ones(2, 4, 5, 6)
x = torch.ones(2, 3, 8)


def dot(*arguments, **options):
    return lambda: L.DotProductAttention()(*arguments, **options)


def multi(*arguments, **options):
    return lambda: L.MultiHeadAttention(8, 2)(*arguments, **options)


REQUIRED = {
    "AdditiveAttention": (3, 4, 5),
    "MultiHeadAttention": (8, 2),
    "GroupedQueryAttention": (8, 4, 2),
    "RelativeWindowAttention": (8, 2, 3),
}

BAD_INPUTS = bad_inputs(
    DotProductAttention=[
        # masks: no axis is guessed
        (dot(q, k, v, torch.ones(2, 3, 5).bool()), "mask must have shape (3, 5)"),
        (dot(q, k, v, torch.ones(4, 3, 5).bool()), "padded keys: (2, 1, 1, 5)"),
        (dot(q, k, v, torch.ones(2, 5).bool()), "got (2, 5)"),
        (dot(q, k, v, torch.ones(5).bool()), "got (5,)"),
        (dot(q, k, v, torch.ones(2, 1, 3, 1).bool()), "got (2, 1, 3, 1)"),
        (dot(q, k, v, torch.ones(3, 5).long()), "TypeError: mask must be a boolean or a floating-point tensor"),
        (dot(q, k, v, [[True]]), "TypeError: mask must be a torch.Tensor"),
        # shapes
        (dot(q.long(), k, v), "TypeError: query must be a floating-point tensor"),
        (dot(q, k[0], v), "key must have shape (..., tokens, features)"),
        (dot(q[..., :7], k, v), "key must have shape (..., S, E) with E = 7, as query has"),
        (dot(q, k, v[:, :, :4]), "value must have shape (..., S, V) with S = 5, as key has"),
        (dot(q, k[:, :2], v[:, :2]), "key must have leading axes (2, 4), as query has"),
        (dot(q, k[:, :, :0], v[:, :, :0]), "key must hold at least one token"),
        (lambda: L.DotProductAttention(dropout=1.5), "dropout must be"),
    ],
    scaled_dot_product_attention=[
        (
            lambda: G.scaled_dot_product_attention(q, k[:, :3], v[:, :3], enable_gqa=True),
            "query's heads (axis 1) must be a multiple of key's 3, got 4",
        ),
        (lambda: G.scaled_dot_product_attention(q, k, v, dropout_p=-0.1), "dropout_p"),
    ],
    AdditiveAttention=[
        (lambda: L.AdditiveAttention(3, 4, 0), "hidden_size must be at least 1, got 0"),
        (lambda: L.AdditiveAttention(3, 8, 5)(x, x, x), "query must have 3 features (query_size)"),
        (lambda: L.AdditiveAttention(8, 8, 5)(x, x[:1], x), "key must have leading axes (2,), as query has"),
        (
            lambda: L.AdditiveAttention(8, 8, 5)(x, x, x[:, :2]),
            "value must have shape (..., S, V) with S = 3",
        ),
        (lambda: L.AdditiveAttention(8, 8, 5)(x, x, x, torch.ones(2, 3).bool()), "mask must have shape (3, 3)"),
    ],
    MultiHeadAttention=[
        (lambda: L.MultiHeadAttention(8, 3), "embed_dim must be divisible by num_heads=3, got 8"),
        (lambda: L.MultiHeadAttention(8, 2.0), "TypeError: num_heads must be an int"),
        (multi(x[0]), "query must have shape (B, tokens, features), got 2 axes"),
        (multi(x[..., :7]), "query must have 8 features"),
        (multi(x, x[:1]), "key must have 2 samples, as query has (axis 0), got 1"),
        (multi(x, x, x[:, :2]), "value must have shape (..., S, V) with S = 3"),
        (multi(x, mask=torch.ones(2, 3, 3).bool()), "mask must have shape (3, 3)"),
    ],
    GroupedQueryAttention=[
        (lambda: L.GroupedQueryAttention(8, 4, 3), "num_heads must be divisible by num_kv_heads=3, got 4")
    ],
    RelativeWindowAttention=[
        (lambda: L.RelativeWindowAttention(8, 2, "3"), "TypeError: window_size must be an int"),
        (lambda: L.RelativeWindowAttention(8, 2, 2)(x), "x must have 4 tokens, a window of 2 × 2"),
        (
            lambda: L.RelativeWindowAttention(8, 2, (1, 3))(x, torch.ones(3, 3, 3)),
            "mask must have shape (W, 3, 3) with W a divisor of x's 2 windows",
        ),
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------

FEATURES = 64


def compare_attention(name, heads, queries, keys, ours, peer, against="F.scaled_dot_product_attention", **options):
    """Two functions of queries, keys and values; heads: (batch, heads)."""
    return compare_calls(
        *("attention", name, (*heads, queries if queries == keys else f"{queries}:{keys}", FEATURES), against),
        *(lambda: ours, lambda: peer),
        lambda: [torch.randn(*heads, n, FEATURES) for n in (queries, keys, keys)],
        **options,
    )


def compare_dense(name, heads, queries, keys, backward=True, **given):
    """Our function and PyTorch's of the same name, with the same arguments."""
    functions = (partial(module.scaled_dot_product_attention, **given) for module in (G, F))
    return compare_attention(name, heads, queries, keys, *functions, backward=backward)


def peer_of_heads():
    peer = TorchMultiHead(512, 8)
    fill(peer)
    return peer


def our_heads():
    """MultiHeadAttention with the weights of `nn.MultiheadAttention`, which keeps Q, K and V in one matrix."""
    layer = L.MultiHeadAttention(512, 8)
    layer.load_state_dict(peer_of_heads().state_dict())
    return layer


def same_heads(ours, peer, tolerance):
    y, x, *parameters = ours
    return same_values(
        [y, x, torch.cat(parameters[0:6:2]), torch.cat(parameters[1:6:2]), *parameters[6:]], peer, tolerance
    )


BENCHMARKS = [
    compare_calls(
        *("attention", "MultiHeadAttention, 8 heads", (8, 128, 512), "nn.MultiheadAttention"),
        *(our_heads, peer_of_heads),
        lambda: [torch.randn(8, 128, 512)],
        given=True,
        compare=same_heads,
    ),
    compare_dense("scaled dot product", (8, 8), 128, 128),
    compare_dense("scaled dot product, causal", (2, 8), 512, 512, is_causal=True),
    compare_dense("scaled dot product, one query", (8, 8), 1, 512, backward=False),
]
