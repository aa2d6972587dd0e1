"""Rows: Embedding, PatchEmbedding, SEGate, and the gated activations."""

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from rows.benchmark import drop_in
from rows.kit import Case, bad_inputs, both, draw, grid, image, label, randn, simple

tokens = torch.tensor([[1, 4, 0, 1], [3, 1, 4, 2], [0, 0, 5, 1]])


def indices(batch=2, dtype=None):
    return (tokens[:batch],)


class GLUOracle(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.proj = nn.Linear(in_features, 2 * out_features, bias)

    def forward(self, x):
        return F.glu(self.proj(x), -1)


class SwiGLUOracle(nn.Module):
    def __init__(self, in_features, out_features, bias=False):
        super().__init__()
        self.gate_proj = nn.Linear(in_features, out_features, bias)
        self.up_proj = nn.Linear(in_features, out_features, bias)

    def forward(self, x):
        return F.silu(self.gate_proj(x)) * self.up_proj(x)


class SqueezeOracle(nn.Module):
    """Squeeze and excitation with pooling, 1 × 1 convolutions and torch.nn's sigmoid."""

    def __init__(self, channels, reduction, bias=True):
        super().__init__()
        self.fc1 = nn.Linear(channels, channels // reduction, bias)
        self.fc2 = nn.Linear(channels // reduction, channels, bias)

    def forward(self, x):
        s = F.adaptive_avg_pool2d(x, 1)
        s = F.relu(F.conv2d(s, self.fc1.weight[:, :, None, None], self.fc1.bias))
        return x * torch.sigmoid(F.conv2d(s, self.fc2.weight[:, :, None, None], self.fc2.bias))


class PatchOracle(nn.Module):
    """Patches by F.unfold, each times the flattened kernel."""

    def __init__(self, in_channels, embed_dim, patch_size, flatten=True):
        super().__init__()
        self.proj = nn.Conv2d(in_channels, embed_dim, patch_size)
        self.flatten = flatten

    def forward(self, x):
        patch = self.proj.kernel_size
        columns = F.unfold(x, patch, stride=patch)  # N, C P Q, tokens
        y = columns.transpose(1, 2) @ self.proj.weight.flatten(1).T + self.proj.bias
        return (
            y if self.flatten else y.transpose(1, 2).reshape(len(x), -1, *(s // p for s, p in zip(x.shape[2:], patch)))
        )


x4 = torch.ones(2, 3, 8, 6)
ints = x4.long()

CASES = [
    *both(
        "Embedding",
        nn.Embedding,
        6,
        3,
        inputs=indices,
        differentiable=False,
        grid=[
            {},
            {"padding_idx": 1},
            {"padding_idx": -2},
            {"scale_grad_by_freq": True},
            {"scale_grad_by_freq": True, "padding_idx": 0},
            {"max_norm": 1.0},
            {"max_norm": 0.7, "norm_type": 1.0, "padding_idx": 4},
        ],
    ),
    *both("GELU", nn.GELU, inputs=draw(3, 4), grid=grid(approximate=("none", "tanh"))),
    *[
        Case(name, label(bias=bias), lambda b=bias, o=ours: o(5, 3, b), draw(4, 5), lambda b=bias, t=oracle: t(5, 3, b))
        for name, ours, oracle in (("GLU", L.GLU, GLUOracle), ("SwiGLU", L.SwiGLU, SwiGLUOracle))
        for bias in (True, False)
    ],
    *[
        Case(
            "SEGate",
            label(reduction=r, bias=bias),
            lambda r=r, b=bias: L.SEGate(8, r, b),
            image(8),
            lambda r=r, b=bias: SqueezeOracle(8, r, b),
        )
        for r in (2, 8)
        for bias in (True, False)
    ],
    *[
        Case(
            "PatchEmbedding",
            label(patch_size=patch, flatten=flatten),
            lambda p=patch, f=flatten: L.PatchEmbedding(3, 5, p, f),
            image(3, height, width),
            lambda p=patch, f=flatten: PatchOracle(3, 5, p, f),
        )
        for patch, height, width in ((2, 8, 6), ((4, 3), 8, 9), (4, 4, 4))
        for flatten in (True, False)
    ],
]

FUNCTION_CASES = [
    *[  # gradcheck does not know of gradients that are stopped or divided on purpose
        simple(G.embedding, F.embedding, tokens, randn(6, 3), smooth=not options, **options)
        for options in ({}, {"padding_idx": 1}, {"scale_grad_by_freq": True})
    ],
    simple(G.glu, F.glu, randn(3, 8)),
    simple(G.glu, F.glu, randn(3, 8, 5), dim=1),
]

REQUIRED = {"Embedding": (5, 3), "SEGate": (32,), "GLU": (3, 4), "SwiGLU": (3, 4), "PatchEmbedding": (3, 4, 2)}

BAD_INPUTS = bad_inputs(
    Embedding=[
        (lambda: L.Embedding(0, 3), "num_embeddings must be at least 1, got 0"),
        (lambda: L.Embedding(5, 3, padding_idx=5), "padding_idx must be below num_embeddings=5, got 5"),
        (lambda: L.Embedding(5, 3, padding_idx=-6), "padding_idx must be at least -5, got -6"),
        (lambda: L.Embedding(5, 3, max_norm=-1.0), "max_norm must be a finite number"),
        (
            lambda: L.Embedding(5, 3)(torch.tensor([0, -1])),
            "indices must lie in [0, 4], the rows of weight being 5, got -1",
        ),
        (lambda: L.Embedding(5, 3)(torch.tensor([[5]])), "indices must lie in [0, 4], the rows of"),
        (lambda: L.Embedding(5, 3)(torch.ones(2)), "TypeError: indices must be int64 or int32, got torch.float32"),
        (lambda: L.Embedding(5, 3)(torch.ones(2).bool()), "TypeError: convert with indices.long()"),
        (lambda: L.Embedding(5, 3)([0, 1]), "TypeError: indices must be a torch.Tensor, got list"),
    ],
    GELU=[
        (lambda: L.GELU("fast"), "approximate must be one of 'none', 'tanh', got 'fast'"),
        (lambda: L.GELU()(ints), "TypeError: x must be a floating-point tensor"),
    ],
    GLU=[
        (lambda: L.GLU(3, 0), "out_features must be at least 1, got 0"),
        (lambda: L.GLU(3, 2)(torch.ones(2, 4)), "x must have 3 features"),
    ],
    SwiGLU=[
        (lambda: L.SwiGLU(3.0, 2), "TypeError: in_features must be an int, got 3.0"),
        (lambda: L.SwiGLU(3, 2)(torch.ones(2, 3).long()), "TypeError: x must be a floating-point tensor"),
    ],
    glu=[
        (lambda: G.glu(torch.ones(2, 3)), "x must have an even size along axis -1, got 3: shape (2, 3)"),
        (lambda: G.glu(torch.ones(2, 4), 2), "dim must lie in [-2, 1] for shape (2, 4), got 2"),
    ],
    SEGate=[
        (lambda: L.SEGate(8), "channels must be divisible by reduction=16, got 8"),
        (lambda: L.SEGate(16)(torch.ones(2, 16)), "x must have shape (N, C, H, W), got 2 axes"),
        (lambda: L.SEGate(16)(x4), "x must have 16 channels (axis 1), got 3"),
        (lambda: L.SEGate(3, 1)(ints), "TypeError: x must be a floating-point tensor"),
    ],
    PatchEmbedding=[
        (lambda: L.PatchEmbedding(3, 4, 0), "patch_size must be at least 1, got 0"),
        (lambda: L.PatchEmbedding(3, 0, 2), "embed_dim must be at least 1, got 0"),
        (
            lambda: L.PatchEmbedding(3, 4, 3)(x4),
            "x's height must be a multiple of the patch's 3, got 8: crop, pad or resize the images",
        ),
        (lambda: L.PatchEmbedding(3, 4, (2, 4))(x4), "x's width must be a multiple"),
        (lambda: L.PatchEmbedding(1, 4, 2)(x4), "x must have 1 channels"),
        (lambda: L.PatchEmbedding(3, 4, 2)(ints), "TypeError: x must be a floating-point tensor"),
        (lambda: L.PatchEmbedding(3, 4, 2)(x4[0]), "x must have shape (N, C, H, W), got 3"),
    ],
)

BENCHMARKS = [
    drop_in("activation", "GELU", lambda m: m.GELU(), (32, 128, 512)),
    drop_in(
        *("embedding", "Embedding 10,000 × 128", lambda m: m.Embedding(10_000, 128), (32, 128)),
        draw=lambda shape: torch.randint(0, 10_000, shape),
    ),
]
