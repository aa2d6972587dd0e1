"""Word2Vec: vectors of words, learned by predicting a word from its neighbours, or its neighbours from the word.

Mikolov, Chen, Corrado and Dean 2013, Efficient Estimation of Word Representations in Vector Space, arXiv:1301.3781
(the two architectures); Mikolov et al. 2013, Distributed Representations of Words and Phrases and their
Compositionality, arXiv:1310.4546 (the two outputs).

    skip-gram   a word w ─ its vector v_w ───────────────────┐
    cbow        words around ─ the mean of their vectors v ──┴─ h ─ score of every candidate word, by v' · h

Legend: V vocab_size, E embedding_dim, B batch, C context words of a window, K targets of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn

from groundup import checks
from groundup.autoencoders.hierarchical_softmax import HierarchicalSoftmax
from groundup.autoencoders.negative_sampling import NegativeSampling
from groundup.component import component
from groundup.functional import embedding, init, l2_normalize


@component(
    45,
    "word vectors learned from neighbouring words",
    paper="Mikolov et al. 2013, Distributed Representations of Words and Phrases, arXiv:1310.4546",
    oracle="torch.nn.Embedding; mutual information",
    example="Word2Vec(10000, 100)(torch.randint(10000, (1,)), torch.randint(10000, (1,)))",
)
class Word2Vec(nn.Module):
    """Scores of target words from h, the vector of a word (skip-gram) or the mean of several (CBOW).

    Called with words, target and mask. Skip-gram: words (B,) are the centres of windows. CBOW: words (B, C) are the
    words around the centre, and mask (B, C) is True for real words if windows differ in size; a sample without any has
    h = 0. target (B,) or (B, K) is predicted: a neighbour (skip-gram) or the centre (CBOW). Returns scores of the shape
    of target: v'_w · h with "negative_sampling", log p(w | h) with "hierarchical_softmax".

    Minimise `loss`. The vectors are in `weight` (V, E); `most_similar` and `analogy` search them. They are initialised
    uniformly in ±1/2E, those of the output with 0, as in the authors' program.

    Why: words with similar neighbours need similar vectors to predict them, so that directions come to carry meaning.

    Args:
        vocab_size: V.
        embedding_dim: E.
        mode: "skipgram" or "cbow".
        output: "negative_sampling" or "hierarchical_softmax".
        counts: how often each word occurs, for the noise or the tree.
        num_negatives: k; the paper takes 5-20 for small texts, 2-5 for large ones.
        sparse: sparse gradients, so that a step changes only the words of its batch. SGD and AdaGrad accept them; the
            definitions (`backend("reference")`) give the same numbers, dense.
        device, dtype: of the parameters.

    Example:
        >>> model = Word2Vec(100, 16)
        >>> model(torch.tensor([3, 7]), torch.tensor([4, 8])).shape
        torch.Size([2])
        >>> cosines, words = model.most_similar(torch.tensor([3]), k=5)
        >>> words.shape
        torch.Size([1, 5])
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        mode: Literal["skipgram", "cbow"] = "skipgram",
        output: Literal["negative_sampling", "hierarchical_softmax"] = "negative_sampling",
        counts: Sequence[int] | Int[Tensor, " V"] | None = None,
        num_negatives: int = 5,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        self.embedding_dim = checks.integer("embedding_dim", embedding_dim)
        self.mode = checks.choice("mode", mode, ("skipgram", "cbow"))
        checks.choice("output", output, ("negative_sampling", "hierarchical_softmax"))
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(vocab_size, embedding_dim, device=device, dtype=dtype))
        self.output: NegativeSampling | HierarchicalSoftmax
        if output == "negative_sampling":
            self.output = NegativeSampling(
                vocab_size, embedding_dim, counts, num_negatives, sparse=sparse, device=device, dtype=dtype
            )
        else:
            self.output = HierarchicalSoftmax(vocab_size, embedding_dim, counts, sparse, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.uniform_(self.weight, -0.5 / self.embedding_dim, 0.5 / self.embedding_dim)
        self.output.reset_parameters()

    def hidden(self, words: Int[Tensor, "B *C"], mask: Bool[Tensor, "B C"] | None = None) -> Float[Tensor, "B E"]:
        """Return h: v_w, or the mean of v over the words where `mask` is True."""
        self._check(words, mask)
        vectors = embedding(words, self.weight, sparse=self.sparse)
        if self.mode == "skipgram":
            return vectors
        if mask is None:
            return vectors.mean(1)
        real = mask[:, :, None].to(vectors.dtype)  # B, C, 1
        return (vectors * real).sum(1) / real.sum(1).clamp(min=1)

    def forward(
        self, words: Int[Tensor, "B *C"], target: Int[Tensor, "B *K"], mask: Bool[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B *K"]:
        return self.output(self.hidden(words, mask), target)

    def loss(
        self,
        words: Int[Tensor, "B *C"],
        target: Int[Tensor, "B *K"],
        mask: Bool[Tensor, "B C"] | None = None,
        generator: torch.Generator | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
    ) -> Float[Tensor, "..."]:
        """Return -log σ(v'_w · h) - Σ log σ(-v'_noise · h), with noise drawn here, or -log p(w | h) of each target."""
        checks.choice("reduction", reduction, ("none", "mean", "sum"))
        loss = self.output.loss(self(words, self.output.candidates(target, generator), mask))
        return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()

    # -- neighbours and analogies --------------------------------------------------------------------------------

    @torch.no_grad()
    def most_similar(self, words: Int[Tensor, " B"], k: int = 10) -> tuple[Float[Tensor, "B k"], Int64[Tensor, "B k"]]:
        """Return (cosines, words): the k nearest neighbours of each word by angle, nearest first."""
        checks.rank("words", checks.indices("words", words, self.vocab_size, "vocab_size"), 1, layout="(B,)")
        return self._nearest(self.weight[words], words[:, None], k)

    @torch.no_grad()
    def analogy(
        self, a: Int[Tensor, " B"], b: Int[Tensor, " B"], c: Int[Tensor, " B"], k: int = 10
    ) -> tuple[Float[Tensor, "B k"], Int64[Tensor, "B k"]]:
        """Return (cosines, words) for "a is to b as c is to": the k other words nearest to v_b - v_a + v_c.

        The v are scaled to length 1. arXiv:1301.3781, section 4; Mikolov, Yih and Zweig 2013, Linguistic Regularities
        in Continuous Space Word Representations, section 3.
        """
        for name, index in (("a", a), ("b", b), ("c", c)):
            checks.rank(name, checks.indices(name, index, self.vocab_size, "vocab_size"), 1, layout="(B,)")
        checks.require(len(a) == len(b) == len(c), f"a, b and c must be as long, got {len(a)}, {len(b)} and {len(c)}")
        unit = l2_normalize(self.weight)
        return self._nearest(unit[b] - unit[a] + unit[c], torch.stack([a, b, c], 1), k)

    def _nearest(self, query: Tensor, left_out: Tensor, k: int) -> tuple[Tensor, Tensor]:
        return find_nearest(query, self.weight, left_out, k)

    def _check(self, words: Tensor, mask: Tensor | None) -> None:
        checks.indices("words", words, self.vocab_size, "vocab_size")
        rank, layout = (1, "(B,), the centre words") if self.mode == "skipgram" else (2, "(B, C), the words around")
        checks.rank("words", words, rank, layout=layout)
        if mask is None:
            return
        checks.require(self.mode == "cbow", "mask belongs to the windows of CBOW; with skip-gram leave it out")
        if checks.tensor("mask", mask).dtype != torch.bool:
            raise TypeError(f"mask must be boolean (True = a real word), got {mask.dtype}")
        checks.require(
            mask.shape == words.shape, f"mask must have words' shape {tuple(words.shape)}, got {tuple(mask.shape)}"
        )

    def extra_repr(self) -> str:
        return f"{self.vocab_size}, {self.embedding_dim}, mode={self.mode}"


def find_nearest(
    query: Float[Tensor, "B E"], vectors: Float[Tensor, "V E"], left_out: Int[Tensor, "B n"], k: int = 10
) -> tuple[Float[Tensor, "B k"], Int64[Tensor, "B k"]]:
    """Return (cosines, indices) of the k `vectors` at the smallest angle to each query, without `left_out`."""
    room = vectors.size(0) - left_out.size(1)
    checks.require(checks.integer("k", k) <= room, f"k must be at most {room}, the words that are left, got {k}")
    cosines = l2_normalize(query) @ l2_normalize(vectors).mT
    best = cosines.scatter(1, left_out.long(), -torch.inf).topk(k, 1)
    return best.values, best.indices
