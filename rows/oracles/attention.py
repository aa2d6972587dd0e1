"""Attention in torch.nn and in loops: masks built pair by pair, rotations as complex numbers, offsets counted."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def attention_oracle(
    q, k, v, mask=None, is_causal=False, dropout_p=0.0, scale=None, enable_gqa=False, need_weights=False
):
    """softmax(Q Kᵀ scale + mask) V, the mask filled in pair by pair."""
    if enable_gqa:
        k, v = (
            torch.stack([x.select(-3, h * x.size(-3) // q.size(-3)) for h in range(q.size(-3))], -3) for x in (k, v)
        )
    wide = torch.float32 if q.dtype == torch.bfloat16 else q.dtype
    scores = q.to(wide) @ k.to(wide).mT * (q.size(-1) ** -0.5 if scale is None else scale)
    T, S = scores.shape[-2:]
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    if is_causal:
        # A key is in the future if fewer tokens come after it than after the query.
        late = torch.tensor([[S - 1 - j < T - 1 - i for j in range(S)] for i in range(T)])
        scores = scores.masked_fill(late, -torch.inf)
    weights = torch.softmax(scores, -1)
    output = (F.dropout(weights, dropout_p) @ v.to(wide)).to(q.dtype)
    return (output, weights.to(q.dtype)) if need_weights else output


class TorchMultiHead(nn.MultiheadAttention):
    """The output alone, batch first; keys and values default to the query, as ours do."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, batch_first=True, **options)

    def forward(self, query, key=None, value=None, **options):
        key = query if key is None else key
        value = key if value is None else value
        return super().forward(query, key, value, need_weights=False, **options)[0]


class DotProductOracle(nn.Module):
    def __init__(self, scaled=True, dropout=0.0):
        super().__init__()
        self.scale, self.dropout = None if scaled else 1.0, dropout

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, scale=self.scale, dropout_p=self.dropout * self.training)


class AdditiveOracle(nn.Module):
    """e_ij = v · tanh(W q_i + U k_j), one pair at a time."""

    def __init__(self, query_size, key_size, hidden_size):
        super().__init__()
        self.query_proj = nn.Linear(query_size, hidden_size, bias=False)
        self.key_proj = nn.Linear(key_size, hidden_size, bias=False)
        self.v = nn.Parameter(torch.empty(hidden_size))

    def forward(self, query, key, value, mask=None):
        W, U = self.query_proj.weight, self.key_proj.weight
        batch = []
        for b in range(query.size(0)):
            rows = []
            for i in range(query.size(1)):
                e = [self.v @ torch.tanh(W @ query[b, i] + U @ key[b, j]) for j in range(key.size(1))]
                kept = [j for j in range(key.size(1)) if mask is None or mask[b, i, j]]
                total = sum(torch.exp(e[j]) for j in kept)
                rows.append(sum((torch.exp(e[j]) / total * value[b, j] for j in kept), value.new_zeros(value.size(2))))
            batch.append(torch.stack(rows))
        return torch.stack(batch) if batch else value.new_zeros(0, query.size(1), value.size(2))


def pairs(n, rule):
    """The (n, n) mask of `rule(i, j)`, with j ≤ i, one pair at a time."""
    return torch.tensor([[j <= i and bool(rule(i, j)) for j in range(n)] for i in range(n)]).view(n, n)


def pattern(name, part, n, l, c):
    """The sets of Child et al. 2019, section 4.2 and 4.3, element by element."""
    rules = {
        ("fixed", "local"): lambda i, j: i // l == j // l,
        ("fixed", "column"): lambda i, j: j % l in range(l - c, l),
        ("strided", "local"): lambda i, j: j in range(max(0, i - l), i + 1),
        ("strided", "column"): lambda i, j: (i - j) % l == 0,
    }
    if part == "union":
        return pairs(n, lambda i, j: rules[name, "local"](i, j) or rules[name, "column"](i, j))
    return pairs(n, rules[name, part])


class PatternOracle(nn.Module):
    """Dense attention under a pattern's mask."""

    def __init__(self, part, block_size, columns=1):
        super().__init__()
        self.part, self.l, self.c = part, block_size, columns

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, pattern("fixed", self.part, q.size(2), self.l, self.c))


class HeadsOracle(nn.Module):
    """Projections, heads, dense attention under an explicit mask (n -> mask), projection."""

    def __init__(self, embed_dim, num_heads, num_kv_heads=None, bias=True, mask=None, is_causal=False):
        super().__init__()
        self.h, self.g, self.d = num_heads, num_kv_heads or num_heads, embed_dim // num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias)
        self.k_proj = nn.Linear(embed_dim, self.g * self.d, bias)
        self.v_proj = nn.Linear(embed_dim, self.g * self.d, bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias)
        self.mask, self.is_causal = mask, is_causal

    def forward(self, query, key=None, value=None):
        key = query if key is None else key
        value = key if value is None else value
        batch, n = query.shape[:2]
        q = self.q_proj(query).view(batch, n, self.h, self.d).transpose(1, 2)
        k = self.k_proj(key).view(batch, key.size(1), self.g, self.d).transpose(1, 2)
        v = self.v_proj(value).view(batch, key.size(1), self.g, self.d).transpose(1, 2)
        k, v = (torch.stack([x[:, h * self.g // self.h] for h in range(self.h)], 1) for x in (k, v))
        mask = None if self.mask is None else self.mask(n)
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=self.is_causal)
        return self.out_proj(y.transpose(1, 2).reshape(batch, n, -1))


def sparse_heads(embed_dim, num_heads, block_size, columns=1, pattern_name="fixed", combine="merged", bias=True):
    def mask(n):
        if combine == "merged":
            return pattern(pattern_name, "union", n, block_size, columns)
        parts = [pattern(pattern_name, part, n, block_size, columns) for part in ("local", "column")]
        return torch.stack([parts[h >= num_heads // 2] for h in range(num_heads)])[None]

    return HeadsOracle(embed_dim, num_heads, bias=bias, mask=mask)


def bias_by_pairs(table, height, width):
    """(heads, n, n): one row of the table for each offset, looked up one pair of places at a time."""
    places = [(y, x) for y in range(height) for x in range(width)]
    offsets = {
        offset: row
        for row, offset in enumerate((dy, dx) for dy in range(1 - height, height) for dx in range(1 - width, width))
    }
    rows = [[table[offsets[a[0] - b[0], a[1] - b[1]]] for b in places] for a in places]
    return torch.stack([torch.stack(row) for row in rows]).permute(2, 0, 1)


class BiasOracle(nn.Module):
    def __init__(self, height, width, num_heads):
        super().__init__()
        self.height, self.width = height, width
        self.table = nn.Parameter(torch.empty((2 * height - 1) * (2 * width - 1), num_heads))

    def forward(self):
        return bias_by_pairs(self.table, self.height, self.width)


class WindowOracle(nn.Module):
    """softmax(Q Kᵀ / √d + B) V of Liu et al. 2021, equation 4, in plain tensor algebra."""

    def __init__(self, embed_dim, num_heads, window_size, bias=True):
        super().__init__()
        self.height, self.width = (window_size, window_size) if isinstance(window_size, int) else window_size
        self.attention = HeadsOracle(embed_dim, num_heads, bias=bias)
        self.position_bias = BiasOracle(self.height, self.width, num_heads)

    def forward(self, x, mask=None):
        a, (batch, n, _) = self.attention, x.shape
        q, k, v = (p(x).view(batch, n, a.h, a.d).transpose(1, 2) for p in (a.q_proj, a.k_proj, a.v_proj))
        scores = q @ k.mT / math.sqrt(a.d) + self.position_bias()
        if mask is not None:
            windows = mask.size(0)
            scores = (scores.view(-1, windows, a.h, n, n) + mask[:, None]).view(batch, a.h, n, n)
        return a.out_proj((torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(batch, n, -1))


class SinusoidOracle(nn.Module):
    def __init__(self, embed_dim):
        super().__init__()
        self.embed_dim = embed_dim

    def forward(self, x, position=0):
        E = self.embed_dim
        rows = [
            [(math.sin, math.cos)[e % 2](p / 10000 ** (2 * (e // 2) / E)) for e in range(E)]
            for p in range(position, position + x.size(1))
        ]
        return x + torch.tensor(rows, dtype=torch.float64).to(x.dtype)


class RotaryOracle(nn.Module):
    """Each pair as a complex number, times exp(i p θ)."""

    def __init__(self, head_dim, base=10000.0, interleaved=False):
        super().__init__()
        self.theta = torch.tensor([base ** (-2 * i / head_dim) for i in range(head_dim // 2)], dtype=torch.float64)
        self.interleaved = interleaved

    def forward(self, x, position=0):
        p = torch.arange(position, position + x.size(2), dtype=torch.float64)
        turn = torch.exp(1j * p[:, None] * self.theta)
        wide = x.double()
        if self.interleaved:
            y = torch.view_as_real(torch.view_as_complex(wide.unflatten(-1, (-1, 2)).contiguous()) * turn)
            return y.flatten(-2).to(x.dtype)
        a, b = wide.chunk(2, -1)
        y = torch.complex(a, b) * turn
        return torch.cat([y.real, y.imag], -1).to(x.dtype)


def rotary_oracle(x, cos, sin, interleaved=False):
    """Each pair as a complex number, times cos + i sin: any number, also one that stretches."""
    wide, turn = x.double(), torch.complex(cos.double(), sin.double())
    if interleaved:
        y = torch.view_as_real(torch.view_as_complex(wide.unflatten(-1, (-1, 2)).contiguous()) * turn).flatten(-2)
    else:
        y = torch.complex(*wide.chunk(2, -1)) * turn
        y = torch.cat([y.real, y.imag], -1)
    return y.to(x.dtype)
