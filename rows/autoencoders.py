"""Rows: matrix factorization, the linear autoencoder and word2vec."""

import heapq
import itertools

import torch
import torch.nn.functional as F
from torch import nn

from groundup import autoencoders as A
from groundup import optimizers
from rows.benchmark import Benchmark
from rows.kit import Case, bad_inputs, draw, label
from rows.units import Train


class RatingOracle(nn.Module):
    """One rating at a time."""

    def __init__(self, users, items, rank, bias):
        super().__init__()
        self.user_factors = nn.Parameter(torch.ones(users, rank))
        self.item_factors = nn.Parameter(torch.ones(items, rank))
        self.biased = bias
        if bias:
            self.user_bias, self.item_bias = nn.Parameter(torch.ones(users, 1)), nn.Parameter(torch.ones(items, 1))
            self.register_buffer("mean", torch.ones(()))

    def forward(self, users, items):
        out = []
        for u, i in zip(users.flatten().tolist(), items.flatten().tolist()):
            rating = F.cosine_similarity(self.user_factors[u], self.item_factors[i], 0)
            rating = rating * self.user_factors[u].norm() * self.item_factors[i].norm()
            out.append(rating + self.mean + self.user_bias[u, 0] + self.item_bias[i, 0] if self.biased else rating)
        return torch.stack(out).view(users.shape) if out else self.user_factors.new_zeros(users.shape)


class LinearAutoencoderOracle(nn.Module):
    def __init__(self, inputs, hidden, bias):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(inputs, hidden, bias), nn.Linear(hidden, inputs, bias)

    def forward(self, x):
        return self.decoder(self.encoder(x))


def huffman_codes(counts):
    """word -> [(node, branch), ...] from the root, by a heap; the nodes are named by the words below them."""
    order = itertools.count()
    heap = [(count, next(order), (word,)) for word, count in enumerate(counts)]
    heapq.heapify(heap)
    codes = {word: [] for word in range(len(counts))}
    while len(heap) > 1:
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for branch, words in enumerate((left, right)):
            for word in words:
                codes[word].insert(0, (left + right, branch))
        heapq.heappush(heap, (a + b, next(order), left + right))
    return codes


class Word2VecOracle(nn.Module):
    """torch's embedding and batched matrix product; a loop over the walk of each word."""

    def __init__(self, ours):
        super().__init__()
        self.mode = ours.mode
        self.weight = nn.Parameter(torch.empty_like(ours.weight))
        self.output = nn.Module()
        self.output.weight = nn.Parameter(torch.empty_like(ours.output.weight))
        for name, value in ours.output.named_buffers():
            self.output.register_buffer(name, value.clone())

    def forward(self, words, target, mask=None):
        h = F.embedding(words, self.weight)
        if self.mode == "cbow":
            mask = torch.ones_like(words, dtype=torch.bool) if mask is None else mask
            h = torch.stack([x[m].sum(0) / max(int(m.sum()), 1) for x, m in zip(h, mask)]) if len(h) else h[:, 0]
        flat = target.reshape(len(target), target[0].numel() if len(target) else 1)
        if hasattr(self.output, "noise"):
            scores = torch.bmm(F.embedding(flat, self.output.weight), h[:, :, None])
            return scores.view(target.shape)
        rows = [torch.stack([self.log_probability(x, int(w)) for w in row]) for x, row in zip(h, flat)]
        return (torch.stack(rows) if rows else h.new_zeros(0)).view(target.shape)

    def log_probability(self, x, word):
        turns = [int(turn) for turn in self.output.paths[word] if turn != 0]
        probability = [torch.sigmoid(torch.sign(torch.tensor(t)) * (self.output.weight[abs(t) - 1] @ x)) for t in turns]
        return torch.log(torch.stack(probability)).sum()


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
            draw(4, 6),
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

BAD_INPUTS = bad_inputs(
    MatrixFactorization=[
        (lambda: A.MatrixFactorization(0, 4, 3), "num_users must be at least 1, got 0"),
        (lambda: A.MatrixFactorization(5, 4, 1.5), "TypeError: rank must be an int, got 1.5"),
        (lambda: A.MatrixFactorization(5, 4, 3, mean=2.0), "pass bias=True with it"),
        (lambda: ratings(one + 5, one), "users must lie in [0, 4], num_users being 5"),
        (lambda: ratings(one, one - 1), "items must lie in [0, 3], num_items being 4"),
        (lambda: ratings(one, one.float()), "TypeError: items must be int64 or int32"),
        (lambda: ratings([0], one), "TypeError: users must be a torch.Tensor, got list"),
        (
            lambda: ratings.predict(one[:, None], one),
            "users and items must have one shape, because they are pairs, got (2, 1) and (2,)",
        ),
        (lambda: ratings.penalty(one, one[:1]), "users and items must have one shape"),
        (lambda: ratings.table(one, one + 4), "items must lie in [0, 3]"),
        (lambda: ratings.table(one[None]), "users must have shape (N,), got 2 axes"),
    ],
    AutoencoderLinear=[
        (lambda: A.AutoencoderLinear(3, 4), "hidden_size must be at most input_size=3"),
        (lambda: A.AutoencoderLinear(3, 0), "hidden_size must be at least 1, got 0"),
        (
            lambda: A.AutoencoderLinear(6, 3)(torch.ones(2, 3)),
            "x must have shape (..., 6), input_size last, got (2, 3)",
        ),
        (
            lambda: A.AutoencoderLinear(6, 3).decode(torch.ones(2, 6)),
            "h must have shape (..., 3), hidden_size last, got (2, 6)",
        ),
        (lambda: A.AutoencoderLinear(6, 3)(one), "TypeError: x must be a floating-point tensor"),
        (lambda: A.AutoencoderLinear(6, 3).fit_closed_form(torch.ones(2, 6)), "x must hold at least 3 samples, got 2"),
    ],
    Word2Vec=[
        (lambda: A.Word2Vec(0, 4), "vocab_size must be at least 1, got 0"),
        (lambda: A.Word2Vec(8, 4, "skip-gram"), "mode must be one of 'skipgram', 'cbow'"),
        (lambda: A.Word2Vec(8, 4, output="softmax"), "output must be one of 'negative_sampling'"),
        (lambda: A.Word2Vec(8, 4, counts=[1, 2]), "counts must hold one count per word, shape (8,)"),
        (lambda: A.Word2Vec(2, 4, counts=[1, -2]), "counts must be finite and at least 0"),
        (lambda: A.Word2Vec(2, 4, counts=[0, 0]), "with one above 0"),
        (lambda: A.Word2Vec(8, 4, num_negatives=0), "num_negatives must be at least 1, got 0"),
        (lambda: A.Word2Vec(1, 4, output="hierarchical_softmax"), "vocab_size must be at least 2, got 1"),
        (lambda: skipgram(one + 8, one), "words must lie in [0, 7], vocab_size being 8, got 8"),
        (lambda: skipgram(one, one - 1), "target must lie in [0, 7], vocab_size being 8, got -1"),
        (lambda: skipgram(one[:, None], one), "words must have shape (B,), the centre words"),
        (lambda: cbow(one, one), "words must have shape (B, C), the words around, got 1 axes"),
        (lambda: skipgram(one, one[:1]), "target must have shape (2,) or (2, K), one row per sample"),
        (lambda: skipgram(one, one.double()), "TypeError: target must be int64 or int32, got torch.float64"),
        (lambda: skipgram(one, one, one.bool()), "mask belongs to the windows of CBOW"),
        (lambda: cbow(around, one, around), "TypeError: mask must be boolean (True = a real word)"),
        (lambda: cbow(around, one, real[:, :2]), "mask must have words' shape (2, 4), got (2, 2)"),
        (lambda: skipgram.loss(one, one, reduction="max"), "reduction must be one of"),
        (lambda: skipgram.most_similar(one, 8), "k must be at most 7, the words that are left"),
        (lambda: skipgram.most_similar(one + 8), "words must lie in [0, 7]"),
        (lambda: skipgram.analogy(one, one, one[:1]), "a, b and c must be as long"),
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------

VOCAB, DIM, BATCH, NEGATIVES = 10_000, 128, 4096, 5
ZIPF = [1_000_000 // rank for rank in range(1, VOCAB + 1)]
CERTAIN = 2**53


class Skipgram(nn.Module):
    def __init__(self, sparse):
        super().__init__()
        self.model = A.Word2Vec(VOCAB, DIM, counts=ZIPF, num_negatives=NEGATIVES, sparse=sparse)

    def forward(self, pairs):
        return self.model.loss(pairs[0], pairs[1])


class SkipgramPeer(nn.Module):
    """As usually written: two embeddings, noise by its distribution function, a product, the library's loss."""

    def __init__(self, sparse, batched):
        super().__init__()
        self.batched = batched
        self.words, self.contexts = (nn.Embedding(VOCAB, DIM, sparse=sparse) for _ in range(2))
        cumulative = (torch.tensor(ZIPF).double() ** 0.75).cumsum(0)
        self.register_buffer("noise", (cumulative / cumulative[-1] * CERTAIN).round().long())
        self.register_buffer("truth", torch.eye(1 + NEGATIVES)[:1].expand(BATCH, -1).bool())

    def forward(self, pairs):
        u = torch.randint(CERTAIN, (BATCH, NEGATIVES), device=pairs.device)
        candidates = torch.cat([pairs[1][:, None], torch.searchsorted(self.noise, u, right=True)], 1)
        words, contexts = self.words(pairs[0]), self.contexts(candidates)
        scores = (
            torch.bmm(contexts, words[:, :, None]).squeeze(2) if self.batched else (contexts * words[:, None]).sum(-1)
        )
        return F.binary_cross_entropy_with_logits(scores, self.truth.float(), reduction="sum") / BATCH


class SparseTrain(Train):
    """Gradients are compared as dense ones: the definition's are dense, the kernel's are not."""

    def outcome(self):
        before = [p.detach().clone() for p in self.parameters]
        loss = [*self.run(), *self.run()]
        gradients = [p.grad.to_dense() for p in self.parameters if p.grad is not None]
        return [*loss, *gradients, *(p.detach() - old for p, old in zip(self.parameters, before))]


def draw_pairs():
    """(centres, neighbours), as frequent as the counts; there is no target."""
    drawn = torch.multinomial(torch.tensor(ZIPF).float(), 2 * BATCH, replacement=True)
    return drawn.view(2, BATCH), drawn[:0]


def train_skipgram(model, optimizer):
    return lambda: SparseTrain(model(), lambda loss, target: loss, lambda p: optimizer.SGD(p, lr=10.0), draw_pairs)


BENCHMARKS = [
    Benchmark(
        *("autoencoder", f"Word2Vec skip-gram, {NEGATIVES} negatives" + ", sparse" * sparse),
        *(f"{VOCAB} words × {DIM}, {BATCH} pairs", "training step, SGD", f"nn.Embedding, {how}, F.bce"),
        train_skipgram(lambda s=sparse: Skipgram(s), optimizers),
        train_skipgram(lambda s=sparse, h=how: SkipgramPeer(s, h == "bmm"), torch.optim),
        not_compiled="a compiled step draws its noise from another generator",
    )
    for sparse in (False, True)
    for how in ("bmm", "(w * h).sum")
]
