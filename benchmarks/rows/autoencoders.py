"""A training step of Word2Vec against the same of `torch.nn.Embedding` and `F.binary_cross_entropy_with_logits`."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup.autoencoders import Word2Vec
from rows.units import Train, Unit

VOCAB, DIM, BATCH, NEGATIVES = 10_000, 128, 4096, 5
COUNTS = [1_000_000 // rank for rank in range(1, VOCAB + 1)]  # Zipf's law
CERTAIN = 2**53


class Ours(nn.Module):
    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.model = Word2Vec(VOCAB, DIM, counts=COUNTS, num_negatives=NEGATIVES, sparse=sparse)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.model.loss(pairs[0], pairs[1])


class Theirs(nn.Module):
    """As one writes it: two embeddings, noise by its distribution function, a batched product, the library's loss."""

    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.words, self.contexts = (nn.Embedding(VOCAB, DIM, sparse=sparse) for _ in range(2))
        cumulative = (torch.tensor(COUNTS).double() ** 0.75).cumsum(0)
        self.register_buffer("noise", (cumulative / cumulative[-1] * CERTAIN).round().long())
        self.register_buffer("truth", torch.eye(1 + NEGATIVES)[:1].expand(BATCH, -1).bool())

    def forward(self, pairs: Tensor) -> Tensor:
        u = torch.randint(CERTAIN, (BATCH, NEGATIVES), device=pairs.device)
        candidates = torch.cat([pairs[1][:, None], torch.searchsorted(self.noise, u, right=True)], 1)
        scores = torch.bmm(self.contexts(candidates), self.words(pairs[0])[:, :, None]).squeeze(2)
        return F.binary_cross_entropy_with_logits(scores, self.truth.float(), reduction="sum") / BATCH


class ProductAndSum(Theirs):
    """The same with (w * h).sum(-1) for the batched product: here the faster of the two."""

    def forward(self, pairs: Tensor) -> Tensor:
        u = torch.randint(CERTAIN, (BATCH, NEGATIVES), device=pairs.device)
        candidates = torch.cat([pairs[1][:, None], torch.searchsorted(self.noise, u, right=True)], 1)
        scores = (self.contexts(candidates) * self.words(pairs[0])[:, None]).sum(-1)
        return F.binary_cross_entropy_with_logits(scores, self.truth.float(), reduction="sum") / BATCH


class SparseTrain(Train):
    """Gradients are compared as dense ones: the definition's are, the kernel's are not."""

    def outcome(self) -> list[Tensor]:
        before = [p.detach().clone() for p in self.parameters]
        loss = [*self.run(), *self.run()]
        gradients = [p.grad.to_dense() for p in self.parameters if p.grad is not None]
        return [*loss, *gradients, *(p.detach() - old for p, old in zip(self.parameters, before))]


def pairs() -> tuple[Tensor, Tensor]:
    """(centres, neighbours), as frequent as the counts say; the target is of no use."""
    drawn = torch.multinomial(torch.tensor(COUNTS).float(), 2 * BATCH, replacement=True)
    return drawn.view(2, BATCH), drawn[:0]


def row(sparse: bool, peer: type[nn.Module], how: str) -> Row:
    def ours() -> Unit:
        from groundup.optimizers import SGD

        return SparseTrain(Ours(sparse), _loss, lambda p: SGD(p, lr=10.0), pairs)

    def theirs() -> Unit:
        return SparseTrain(peer(sparse), _loss, lambda p: torch.optim.SGD(p, lr=10.0), pairs)

    return Row(
        "autoencoder",
        f"Word2Vec skip-gram, {NEGATIVES} negatives" + (", sparse" if sparse else ""),
        size=f"{VOCAB} words × {DIM}, {BATCH} pairs",
        work="training step, SGD",
        against=f"nn.Embedding, {how}, F.bce",
        ours=ours,
        peer=theirs,
        not_compiled="a compiled step draws its noise from another generator",
    )


def _loss(loss: Tensor, target: Tensor) -> Tensor:
    return loss


WAYS: list[tuple[Callable[..., nn.Module], str]] = [(Theirs, "bmm"), (ProductAndSum, "(w * h).sum")]
ROWS = [row(sparse, peer, how) for sparse in (False, True) for peer, how in WAYS]  # type: ignore[arg-type]
