"""Rows: matrix factorization, the linear autoencoder and word2vec."""

import torch

from groundup import autoencoders as A
from rows.kit import Case, label, shaped
from rows.oracles.autoencoder import LinearAutoencoderOracle, RatingOracle, Word2VecOracle

COUNTS = [40, 21, 1, 8, 13, 2, 5, 3]
users, items = torch.tensor([[0, 4, 1], [4, 4, 0]]), torch.tensor([[2, 0, 3], [1, 0, 2]])
centres, around = torch.tensor([3, 0]), torch.tensor([[1, 7, 0, 1], [2, 2, 5, 0]])
real = torch.tensor([[True, True, False, True], [False, True, True, False]])
targets = torch.tensor([[5, 1, 5], [7, 0, 2]])


def pairs(*tensors):
    return lambda batch=2, dtype=None: tuple(t[:batch] for t in tensors)


def word2vec(*inputs, name, **options):
    def build():
        return A.Word2Vec(8, 4, counts=COUNTS, **options)

    return Case(
        "Word2Vec",
        ",".join([*options.values(), name]),
        build,
        pairs(*inputs),
        lambda: Word2VecOracle(build()),
        differentiable=False,  # its inputs are indices
    )


CASES = [
    *[
        Case(
            "MatrixFactorization",
            label(bias=bias, axes=u.dim()),
            lambda b=bias: A.MatrixFactorization(5, 4, 3, bias=b),
            pairs(u, i),
            lambda b=bias: RatingOracle(5, 4, 3, b),
            differentiable=False,
        )
        for bias in (False, True)
        for u, i in ((users, items), (users[:, 0], items[:, 0]))
    ],
    *[
        Case(
            "AutoencoderLinear",
            label(bias=bias),
            lambda b=bias: A.AutoencoderLinear(6, 3, bias=b),
            shaped(4, 6),
            lambda b=bias: LinearAutoencoderOracle(6, 3, b),
        )
        for bias in (True, False)
    ],
    *[
        word2vec(*inputs, target, *rest, name=name + ", masked" * len(rest), mode=mode, output=output)
        for output in ("negative_sampling", "hierarchical_softmax")
        for mode, inputs, rest in (("skipgram", (centres,), ()), ("cbow", (around,), ()), ("cbow", (around,), (real,)))
        for name, target in (("(B,)", targets[:, 0]), ("(B, 3)", targets))
    ],
]

REQUIRED = {"MatrixFactorization": (5, 4, 3), "AutoencoderLinear": (6, 3), "Word2Vec": (8, 4)}

ratings = A.MatrixFactorization(5, 4, 3)
one = torch.zeros(2, dtype=torch.int64)
skipgram = A.Word2Vec(8, 4)
cbow = A.Word2Vec(8, 4, mode="cbow")

BAD_INPUTS = [
    ("MatrixFactorization", lambda: A.MatrixFactorization(0, 4, 3), ValueError, "num_users must be at least 1, got 0"),
    ("MatrixFactorization", lambda: A.MatrixFactorization(5, 4, 1.5), TypeError, "rank must be an int, got 1.5"),
    ("MatrixFactorization", lambda: A.MatrixFactorization(5, 4, 3, mean=2.0), ValueError, "pass bias=True with it"),
    ("MatrixFactorization", lambda: ratings(one + 5, one), ValueError, "users must lie in [0, 4], num_users being 5"),
    ("MatrixFactorization", lambda: ratings(one, one - 1), ValueError, "items must lie in [0, 3], num_items being 4"),
    ("MatrixFactorization", lambda: ratings(one, one.float()), TypeError, "items must be int64 or int32"),
    ("MatrixFactorization", lambda: ratings([0], one), TypeError, "users must be a torch.Tensor, got list"),
    (
        "MatrixFactorization",
        lambda: ratings.predict(one[:, None], one),
        ValueError,
        "users and items must have one shape, for they are pairs, got (2, 1) and (2,)",
    ),
    ("MatrixFactorization", lambda: ratings.penalty(one, one[:1]), ValueError, "users and items must have one shape"),
    ("MatrixFactorization", lambda: ratings.table(one, one + 4), ValueError, "items must lie in [0, 3]"),
    ("MatrixFactorization", lambda: ratings.table(one[None]), ValueError, "users must have shape (N,), got 2 axes"),
    ("AutoencoderLinear", lambda: A.AutoencoderLinear(3, 4), ValueError, "hidden_size must be at most input_size=3"),
    ("AutoencoderLinear", lambda: A.AutoencoderLinear(3, 0), ValueError, "hidden_size must be at least 1, got 0"),
    (
        "AutoencoderLinear",
        lambda: A.AutoencoderLinear(6, 3)(torch.ones(2, 3)),
        ValueError,
        "x must have shape (..., 6), input_size last, got (2, 3)",
    ),
    (
        "AutoencoderLinear",
        lambda: A.AutoencoderLinear(6, 3).decode(torch.ones(2, 6)),
        ValueError,
        "h must have shape (..., 3), hidden_size last, got (2, 6)",
    ),
    ("AutoencoderLinear", lambda: A.AutoencoderLinear(6, 3)(one), TypeError, "x must be a floating-point tensor"),
    (
        "AutoencoderLinear",
        lambda: A.AutoencoderLinear(6, 3).fit_closed_form(torch.ones(2, 6)),
        ValueError,
        "x must hold at least 3 samples, got 2",
    ),
    ("Word2Vec", lambda: A.Word2Vec(0, 4), ValueError, "vocab_size must be at least 1, got 0"),
    ("Word2Vec", lambda: A.Word2Vec(8, 4, "skip-gram"), ValueError, "mode must be one of 'skipgram', 'cbow'"),
    ("Word2Vec", lambda: A.Word2Vec(8, 4, output="softmax"), ValueError, "output must be one of 'negative_sampling'"),
    ("Word2Vec", lambda: A.Word2Vec(8, 4, counts=[1, 2]), ValueError, "counts must hold one count a word, shape (8,)"),
    ("Word2Vec", lambda: A.Word2Vec(2, 4, counts=[1, -2]), ValueError, "counts must be finite and at least 0"),
    ("Word2Vec", lambda: A.Word2Vec(2, 4, counts=[0, 0]), ValueError, "with one above 0"),
    ("Word2Vec", lambda: A.Word2Vec(8, 4, num_negatives=0), ValueError, "num_negatives must be at least 1, got 0"),
    (
        "Word2Vec",
        lambda: A.Word2Vec(1, 4, output="hierarchical_softmax"),
        ValueError,
        "vocab_size must be at least 2, got 1",
    ),
    ("Word2Vec", lambda: skipgram(one + 8, one), ValueError, "words must lie in [0, 7], vocab_size being 8, got 8"),
    ("Word2Vec", lambda: skipgram(one, one - 1), ValueError, "target must lie in [0, 7], vocab_size being 8, got -1"),
    ("Word2Vec", lambda: skipgram(one[:, None], one), ValueError, "words must have shape (B,), the centre words"),
    ("Word2Vec", lambda: cbow(one, one), ValueError, "words must have shape (B, C), the words around, got 1 axes"),
    ("Word2Vec", lambda: skipgram(one, one[:1]), ValueError, "target must have shape (2,) or (2, K), one row a sample"),
    ("Word2Vec", lambda: skipgram(one, one.double()), TypeError, "target must be int64 or int32, got torch.float64"),
    ("Word2Vec", lambda: skipgram(one, one, one.bool()), ValueError, "mask belongs to the windows of CBOW"),
    ("Word2Vec", lambda: cbow(around, one, around), TypeError, "mask must be boolean (True = a real word)"),
    ("Word2Vec", lambda: cbow(around, one, real[:, :2]), ValueError, "mask must have words' shape (2, 4), got (2, 2)"),
    ("Word2Vec", lambda: skipgram.loss(one, one, reduction="max"), ValueError, "reduction must be one of"),
    ("Word2Vec", lambda: skipgram.most_similar(one, 8), ValueError, "k must be at most 7, the words that are left"),
    ("Word2Vec", lambda: skipgram.most_similar(one + 8), ValueError, "words must lie in [0, 7]"),
    ("Word2Vec", lambda: skipgram.analogy(one, one, one[:1]), ValueError, "a, b and c must be as long"),
]
