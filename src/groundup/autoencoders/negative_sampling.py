"""Negative sampling: distinguish a true word from k words of noise, instead of a softmax over the vocabulary.

Mikolov, Sutskever, Chen, Corrado and Dean 2013, Distributed Representations of Words and Phrases and their
Compositionality, arXiv:1310.4546, section 2.2.

Legend: V vocab_size, E embedding_dim, B batch, k num_negatives, h (B, E) the vector that the word is predicted from.

Why: the softmax needs the score of every word of the vocabulary in every step; this loss needs 1 + k of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from groundup import checks
from groundup.functional import embedding, init, logsigmoid

#: The cumulative probability 1 as an integer, because neither `.half()` nor autocast rounds integers.
PROBABILITY_ONE = 2**53


def noise_distribution(counts: Int[Tensor, " V"] | Float[Tensor, " V"], power: float = 0.75) -> Float[Tensor, " V"]:
    """Return P_n(w) = count_w^power / Σ count^power, in float64; 1 is the unigram, 0 the uniform distribution."""
    weight = torch.where(counts > 0, counts.double() ** power, 0.0)  # 0⁰ would be 1
    return weight / weight.sum()


class NegativeSampling(nn.Module):
    """Scores v'_w · h of target words, and the loss of equation 4:

        -log σ(v'_w · h) - Σ_i log σ(-v'_{w_i} · h),   w_1 … w_k drawn from P_n

    weight (V, E) holds the vectors v'. At the optimum v'_w · h = log(P(w | h) / P_n(w)) - log k: the pointwise mutual
    information, shifted, where P_n is the unigram distribution (Levy and Goldberg 2014).

    The vectors are initialised with 0, as in the authors' program.
    Differs from that program: a word of noise that equals the target is used, as in equation 4.

    Args:
        vocab_size: V.
        embedding_dim: E.
        counts: how often each word occurs; without them the noise is uniform.
        num_negatives: k.
        power: of the counts in P_n, 3/4 in the paper: rare words are drawn more often than they occur.
        sparse: a sparse gradient, so that a step of SGD or AdaGrad changes only words that were drawn.
        device, dtype: of the parameters.

    Example:
        >>> output = NegativeSampling(100, 8)
        >>> words = output.candidates(torch.tensor([3, 7]))  # each target, then 5 words of noise
        >>> output.loss(output(torch.randn(2, 8), words)).shape
        torch.Size([2])
    """

    noise: Tensor

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        counts: Sequence[int] | Int[Tensor, " V"] | None = None,
        num_negatives: int = 5,
        power: float = 0.75,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.counts = check_counts(counts, vocab_size)
        self.num_negatives = checks.integer("num_negatives", num_negatives)
        self.power = checks.real("power", power)
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(vocab_size, embedding_dim, device=device, dtype=dtype))
        self.register_buffer("noise", torch.empty(vocab_size, dtype=torch.int64, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.constant_(self.weight, 0.0)
        cumulative = noise_distribution(self.counts, self.power).cumsum(0)
        self.noise.copy_((cumulative / cumulative[-1] * PROBABILITY_ONE).round())

    def forward(self, h: Float[Tensor, "B E"], target: Int[Tensor, "B *K"]) -> Float[Tensor, "B *K"]:
        """Return v'_w · h for one word of each sample, target (B,), or for several, (B, K...)."""
        check_target(h, target, self.weight.size(0))
        words = embedding(as_rows(target), self.weight, sparse=self.sparse)  # B, K, E
        return (words * h[:, None]).sum(-1).view(target.shape)

    def draw(self, shape: Sequence[int], generator: torch.Generator | None = None) -> Int64[Tensor, "..."]:
        """Return words of noise, drawn by a binary search in the cumulative distribution: log V steps per word."""
        u = torch.randint(PROBABILITY_ONE, tuple(shape), generator=generator, device=self.noise.device)
        return torch.searchsorted(self.noise, u, right=True)

    def candidates(self, target: Int[Tensor, "B *K"], generator: torch.Generator | None = None) -> Int[Tensor, "..."]:
        """Return (B, *K, 1 + k): each target, then its k words of noise."""
        noise = self.draw((*target.shape, self.num_negatives), generator).to(target.dtype)
        return torch.cat([target[..., None], noise], -1)

    def loss(self, scores: Float[Tensor, "*B c"]) -> Float[Tensor, "*B"]:
        """Return the negative of equation 4, from the scores of `candidates`."""
        return -logsigmoid(scores[..., 0]) - logsigmoid(-scores[..., 1:]).sum(-1)

    def extra_repr(self) -> str:
        return f"{self.weight.size(0)}, {self.weight.size(1)}, num_negatives={self.num_negatives}, power={self.power}"


def check_counts(counts: Sequence[int] | Tensor | None, vocab_size: int) -> Float[Tensor, " V"]:
    """Return the counts in float64 on the CPU; ones if there are none."""
    checks.integer("vocab_size", vocab_size)
    if counts is None:
        return torch.ones(vocab_size, dtype=torch.float64, device="cpu")
    values = torch.as_tensor(counts, device="cpu").double()
    if tuple(values.shape) != (vocab_size,):
        raise ValueError(f"counts must hold one count per word, shape ({vocab_size},), got {tuple(values.shape)}")
    if not (values >= 0).all() or not 0 < float(values.sum()) < torch.inf:
        raise ValueError("counts must be finite and at least 0, with one above 0: how often each word occurs")
    return values


def as_rows(target: Int[Tensor, "B *K"]) -> Int[Tensor, "B k"]:
    """Return the targets (B,) or (B, K...) with one row per sample."""
    return target[:, None] if target.dim() == 1 else target.flatten(1)


def check_target(h: Tensor, target: Tensor, vocab_size: int) -> None:
    checks.rank("h", checks.floating("h", h), 2, layout="(B, E)")
    checks.indices("target", target, vocab_size, "vocab_size")
    if target.dim() == 0 or target.size(0) != h.size(0):
        raise ValueError(
            f"target must have shape ({h.size(0)},) or ({h.size(0)}, K), one row per sample, got {tuple(target.shape)}"
        )
