"""Negative sampling: tell a true word from k words of noise, in place of a softmax over the vocabulary.

Mikolov, Sutskever, Chen, Corrado and Dean 2013, Distributed Representations of Words and Phrases and their
Compositionality, arXiv:1310.4546, section 2.2.

Legend: V vocab_size, E embedding_dim, B batch, k num_negatives, h (B, E) what the word is predicted from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from groundup import checks
from groundup.functional import embedding, init, logsigmoid

#: A cumulative probability of 1, as a whole number: no `.half()` and no autocast rounds integers.
CERTAIN = 2**53


def noise_distribution(counts: Int[Tensor, " V"] | Float[Tensor, " V"], power: float = 0.75) -> Float[Tensor, " V"]:
    """P_n(w) = count_w^power / Σ count^power, in float64: 3/4 lies between the unigrams (1) and the uniform (0)."""
    weight = torch.where(counts > 0, counts.double() ** power, 0.0)  # 0⁰ is no word's weight
    return weight / weight.sum()


class NegativeSampling(nn.Module):
    """Scores v'_w · h of target words, and the loss of equation 4:

        -log σ(v'_w · h) - Σ_i log σ(-v'_{w_i} · h),   w_1 … w_k drawn from P_n

    weight (V, E) holds the vectors v'. At the optimum v'_w · h = log(P(w | h) / P_n(w)) - log k: the pointwise mutual
    information, shifted, where P_n is the unigram distribution (Levy and Goldberg 2014).

    counts     how often each word occurs; without them noise is uniform.
    power      of the counts in P_n, 3/4 in the paper.
    sparse     the gradient is sparse: neither it nor a step of SGD or AdaGrad touches words that were not drawn.

    The vectors begin at 0, as the authors' program has them.
    Differs from that program: a word of noise that happens to be the target counts, as it does in equation 4.
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
        self.counts = word_counts(counts, vocab_size)
        self.num_negatives = checks.integer("num_negatives", num_negatives)
        self.power = checks.real("power", power)
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(vocab_size, embedding_dim, device=device, dtype=dtype))
        self.register_buffer("noise", torch.empty(vocab_size, dtype=torch.int64, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.constant_(self.weight, 0.0)
        cumulative = noise_distribution(self.counts, self.power).cumsum(0)
        self.noise.copy_((cumulative / cumulative[-1] * CERTAIN).round())

    def forward(self, h: Float[Tensor, "B E"], target: Int[Tensor, "B *K"]) -> Float[Tensor, "B *K"]:
        """v'_w · h for one word of each sample, target (B,), or for several, (B, K...)."""
        check_target(h, target, self.weight.size(0))
        words = embedding(columns(target), self.weight, sparse=self.sparse)  # B, K, E
        return (words * h[:, None]).sum(-1).view(target.shape)

    def draw(self, shape: Sequence[int], generator: torch.Generator | None = None) -> Int64[Tensor, "..."]:
        """Words of noise, by the inverse of the cumulative distribution: log V steps a word, however large V is."""
        u = torch.randint(CERTAIN, tuple(shape), generator=generator, device=self.noise.device)
        return torch.searchsorted(self.noise, u, right=True)

    def candidates(self, target: Int[Tensor, "B *K"], generator: torch.Generator | None = None) -> Int[Tensor, "..."]:
        """(B, *K, 1 + k): each target, then its k words of noise."""
        noise = self.draw((*target.shape, self.num_negatives), generator).to(target.dtype)
        return torch.cat([target[..., None], noise], -1)

    def loss(self, scores: Float[Tensor, "*B c"]) -> Float[Tensor, "*B"]:
        """Equation 4, negated, from the scores of `candidates`."""
        return -logsigmoid(scores[..., 0]) - logsigmoid(-scores[..., 1:]).sum(-1)

    def extra_repr(self) -> str:
        return f"{self.weight.size(0)}, {self.weight.size(1)}, num_negatives={self.num_negatives}, power={self.power}"


def word_counts(counts: Sequence[int] | Tensor | None, vocab_size: int) -> Float[Tensor, " V"]:
    """The counts as float64 on the CPU, checked; ones where there are none."""
    checks.integer("vocab_size", vocab_size)
    if counts is None:
        return torch.ones(vocab_size, dtype=torch.float64, device="cpu")
    values = torch.as_tensor(counts, device="cpu").double()
    if tuple(values.shape) != (vocab_size,):
        raise ValueError(f"counts must hold one count a word, shape ({vocab_size},), got {tuple(values.shape)}")
    if not (values >= 0).all() or not 0 < float(values.sum()) < torch.inf:
        raise ValueError("counts must be finite and at least 0, with one above 0: how often each word occurs")
    return values


def columns(target: Int[Tensor, "B *K"]) -> Int[Tensor, "B k"]:
    """The targets of a sample in one row, whether there is one, (B,), or several, (B, K...)."""
    return target[:, None] if target.dim() == 1 else target.flatten(1)


def check_target(h: Tensor, target: Tensor, vocab_size: int) -> None:
    checks.rank("h", checks.floating("h", h), 2, layout="(B, E)")
    checks.indices("target", target, vocab_size, "vocab_size")
    if target.dim() == 0 or target.size(0) != h.size(0):
        raise ValueError(
            f"target must have shape ({h.size(0)},) or ({h.size(0)}, K), one row a sample, got {tuple(target.shape)}"
        )
