"""BahdanauAttention: translation that attends to the source before every word.

Bahdanau, Cho and Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate, arXiv:1409.0473.

    source ─ GRU → and GRU ← ─ annotations h_1 … h_S ──┐
                                        α_i1 … α_iS  ──┴ Σ ─ context c_i ─┬─ deep output ─ p(y_i)
    y_{i-1} ── embedding ─────────────────────────────────────────────────┼─ GRU ─ s_i
    s_{i-1} ── alignment α_ij of every annotation ────────────────────────┘

Shapes: B batch, S source length, T target length, V target_vocab, m embedding_dim, n hidden_size, l maxout_size,
n' alignment_size; h_j the annotation of source word j, s_i the decoder's state, c_i the context, y_i target word i.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.activations import tanh
from groundup.functional.attention import additive_attention
from groundup.functional.dropout import dropout
from groundup.layers.attention import AdditiveAttention
from groundup.layers.embedding import Embedding
from groundup.layers.linear import Linear
from groundup.layers.recurrent import RNN
from groundup.layers.recurrent_cells import GRU_cell
from groundup.models.presets import Presets
from groundup.weights import Pretrained

_BAHDANAU = (
    "Bahdanau et al. 2015, Neural Machine Translation by Jointly Learning to Align and Translate, arXiv:1409.0473"
)


class AttentionState(NamedTuple):
    """The state of the decoder, which every step changes, and the annotations it attends to, which stay the same."""

    s: Float[Tensor, "B n"]
    annotations: Float[Tensor, "B S a"]
    keys: Float[Tensor, "B S k"]  # U_a h_j, computed once
    mask: Bool[Tensor, "B 1 S"]  # True for real source words


@component(
    98,
    "bidirectional encoder of a sentence",
    paper=_BAHDANAU,
    oracle="a loop over appendix A.2.1",
    example="AttentionEncoder(30000)(torch.randint(30000, (1, 20)))",
)
class AttentionEncoder(nn.Module):
    """source (B, S) -> annotations (B, S, 2n): h_j = [h→_j ; h←_j], of a GRU in each direction (appendix A.2.1).

    An annotation summarises the sentence around word j, because one GRU has read the words before it and the other the
    words after it.

    Args:
        vocab_size: tokens of the source language.
        embedding_dim: m.
        hidden_size: n, of each direction.
        dropout: probability of dropping a feature of an embedding.
        device, dtype: of the parameters.

    Example:
        >>> AttentionEncoder(100, embedding_dim=16, hidden_size=32)(torch.randint(0, 100, (3, 7))).shape
        torch.Size([3, 7, 64])
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int = 620,
        hidden_size: int = 1000,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        self.dropout = checks.probability("dropout", dropout)
        self.embedding = Embedding(vocab_size, embedding_dim, **options)
        self.forwards = RNN(build_paper_gru(embedding_dim, hidden_size, **options))
        self.backwards = RNN(build_paper_gru(embedding_dim, hidden_size, **options), reverse=True)

    def forward(self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None) -> Float[Tensor, "B S a"]:
        """Compute the annotations; those of the padding after the first `lengths` (B,) words are 0."""
        checks.rank("source", checks.tensor("source", source), 2, layout="(B, S)")
        x = dropout(self.embedding(source), self.dropout, self.training)
        return torch.cat([self.forwards(x, lengths=lengths)[0], self.backwards(x, lengths=lengths)[0]], -1)


@component(
    99,
    "decoder that attends to the source before every word",
    paper=_BAHDANAU,
    oracle="a loop over appendices A.1.2 and A.2.2",
    example="AttentionDecoder(30000)(torch.randint(30000, (1, 20)), torch.randn(1, 20, 2000))",
)
class AttentionDecoder(nn.Module):
    """target (B, T), annotations (B, S, 2n) -> logits (B, T, V) of the word after each (appendices A.1.2 and A.2.2):

        s_0 = tanh(W_s h←_1)
        e_ij = v_aᵀ tanh(W_a s_{i-1} + U_a h_j),  α_i = softmax(e_i),  c_i = Σ_j α_ij h_j
        s_i = (1 - z_i) ∘ s_{i-1} + z_i ∘ s̃_i,  s̃_i = tanh(W E y_{i-1} + U [r_i ∘ s_{i-1}] + C c_i),
                                                 r_i and z_i likewise, of all three
        t̃_i = U_o s_{i-1} + V_o E y_{i-1} + C_o c_i,  t_ij = max(t̃_{i,2j-1}, t̃_{i,2j}),  p(y_i) ∝ exp(W_o t_i)

    Why: an encoder of fixed size forgets the words of a long sentence; here every target word has a context c_i of its
    own, the mean of the annotations, weighted by how well they match the state s_{i-1}.

    The cell's weight_ih is [W C], `readout` is [U_o V_o C_o], `first` W_s, `head` W_o; all have biases.

    Args:
        vocab_size: V.
        embedding_dim: m.
        hidden_size: n.
        alignment_size: n', hidden units of the alignment network v_a, W_a, U_a.
        maxout_size: l.
        annotation_size: features of an annotation, of which the second half is h←; 2n by default.
        dropout: of the embeddings and of the deep output.
        device, dtype: of the parameters.

    Example:
        >>> decoder = AttentionDecoder(50, 16, 32, alignment_size=8, maxout_size=8)
        >>> decoder(torch.randint(0, 50, (3, 5)), annotations=torch.randn(3, 7, 64)).shape
        torch.Size([3, 5, 50])
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int = 620,
        hidden_size: int = 1000,
        alignment_size: int = 1000,
        maxout_size: int = 500,
        annotation_size: int | None = None,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        m, n, l = embedding_dim, hidden_size, checks.integer("maxout_size", maxout_size)
        a = 2 * n if annotation_size is None else checks.integer("annotation_size", annotation_size, 2)
        checks.require(a % 2 == 0, f"annotation_size must be even, half of each direction, got {a}")
        self.vocab_size = checks.integer("vocab_size", vocab_size)
        self.annotation_size, self.dropout = a, checks.probability("dropout", dropout)
        self.embedding = Embedding(vocab_size, m, **options)
        self.first = Linear(a // 2, n, **options)
        self.attention = AdditiveAttention(n, a, alignment_size, **options)
        self.cell = build_paper_gru(m + a, n, **options)
        self.readout = Linear(n + m + a, 2 * l, **options)
        self.head = Linear(l, vocab_size, **options)

    def begin(self, annotations: Float[Tensor, "B S a"], lengths: Int[Tensor, " B"] | None = None) -> AttentionState:
        """Return the first state: s_0, and the annotations with their keys; `lengths` as in `forward`."""
        checks.rank("annotations", checks.floating("annotations", annotations), 3, layout="(B, S, annotation_size)")
        checks.size("annotations", annotations, 2, self.annotation_size, "features, the annotation_size")
        checks.require(annotations.size(1) > 0, "annotations must be of at least one source word, padding or not")
        j = torch.arange(annotations.size(1), device=annotations.device)
        mask = torch.ones_like(annotations[..., 0], dtype=torch.bool) if lengths is None else j < lengths[:, None]
        backwards = annotations[:, 0].chunk(2, -1)[1]
        s = tanh(self.first(backwards))
        return AttentionState(s, annotations, self.attention.key_proj(annotations), mask[:, None])

    def forward(
        self,
        target: Int[Tensor, "B T"],
        annotations: Float[Tensor, "B S a"],
        lengths: Int[Tensor, " B"] | None = None,
        need_weights: bool = False,
    ) -> Float[Tensor, "B T V"] | tuple[Float[Tensor, "B T V"], Float[Tensor, "B T S"]]:
        """Compute the scores of the word after each target word.

        Args:
            lengths: the number of real source words; padding gets no weight, and an empty source a context of 0.
            need_weights: also return α (B, T, S), how much each target word attends to each source word.
        """
        checks.rank("target", checks.tensor("target", target), 2, layout="(B, T)")
        state = self.begin(annotations, lengths)
        y = dropout(self.embedding(target), self.dropout, self.training)
        before, contexts, weights = [], [], []
        for y_i in y.unbind(1):
            before.append(state.s)
            state, c, alpha = self._advance(y_i, state)
            contexts.append(c)
            weights.append(alpha)
        logits = self._scores(torch.stack(before, 1), y, torch.stack(contexts, 1))
        return (logits, torch.stack(weights, 1)) if need_weights else logits

    def step(self, tokens: Int[Tensor, " B"], state: AttentionState) -> tuple[Float[Tensor, "B V"], AttentionState]:
        """Read one more target word per row; return the scores of the next word, and the state."""
        y = self.embedding(tokens)
        after, c, _ = self._advance(y, state)
        return self._scores(state.s, y, c), after

    def _advance(self, y: Tensor, state: AttentionState) -> tuple[AttentionState, Tensor, Tensor]:
        """Return the state with s_i, c_i and α_i, from the embedding of y_{i-1} (B, m) and s_{i-1}."""
        s, annotations, keys, mask = state
        query = self.attention.query_proj(s)[:, None]  # B, 1, n'
        found = additive_attention(query, keys, annotations, self.attention.v, mask, need_weights=True)
        c, alpha = found[0][:, 0], found[1][:, 0]  # B, 2n and B, S
        s = self.cell(torch.cat([y, c], -1), s)  # B, n
        return state._replace(s=s), c, alpha

    def _scores(self, s: Tensor, y: Tensor, c: Tensor) -> Tensor:
        """Compute the deep output t̃ and the scores, of one step or of all."""
        t = self.readout(torch.cat([s, y, c], -1)).unflatten(-1, (-1, 2)).max(-1).values
        return self.head(dropout(t, self.dropout, self.training))


@component(
    100,
    "translation with learned alignment",
    paper=_BAHDANAU,
    oracle="a loop over the appendix",
    example="BahdanauAttention(30000, 30000)(torch.randint(30000, (1, 20)), torch.randint(30000, (1, 20)))",
)
class BahdanauAttention(Pretrained, Presets, nn.Module):
    """source (B, S), target (B, T) -> logits (B, T, V) of the word after each target word; RNNsearch in the paper.

    The target starts with a start token and leaves the end out. To translate:

        found = beam_search(model.step, start, model.begin(source, lengths), width=5, max_len=50, stop=END)

    As in the paper's appendix B.1, recurrent matrices are orthogonal, W_a and U_a are drawn from N(0, 0.001²), v_a and
    biases are 0, and all others are drawn from N(0, 0.01²).

    Args:
        source_vocab, target_vocab: tokens of the two languages.
        embedding_dim: m.
        hidden_size: n.
        alignment_size: n'.
        maxout_size: l.
        dropout: of the embeddings and of the deep output; the paper has none.
        device, dtype: of the parameters.

    Example:
        >>> model = BahdanauAttention(100, 50, 16, 32, alignment_size=8, maxout_size=8)
        >>> source, target = torch.randint(0, 100, (3, 7)), torch.randint(0, 50, (3, 5))
        >>> logits, weights = model(source, target, need_weights=True)
        >>> logits.shape, weights.shape
        (torch.Size([3, 5, 50]), torch.Size([3, 5, 7]))
    """

    # 80,401,000 weights without biases
    presets: ClassVar = {"paper": {"source_vocab": 30_000, "target_vocab": 30_000}}

    def __init__(
        self,
        source_vocab: int,
        target_vocab: int,
        embedding_dim: int = 620,
        hidden_size: int = 1000,
        alignment_size: int = 1000,
        maxout_size: int = 500,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"dropout": dropout, "device": device, "dtype": dtype}
        self.encoder = AttentionEncoder(source_vocab, embedding_dim, hidden_size, **options)
        self.decoder = AttentionDecoder(
            target_vocab, embedding_dim, hidden_size, alignment_size, maxout_size, **options
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        for name, parameter in self.named_parameters():
            if "bias" in name or name.endswith("attention.v"):
                init.constant_(parameter, 0.0)
            elif name.endswith("weight_hh"):
                for block in parameter.chunk(3):  # U_r, U_z, U
                    init.orthogonal_(block)
            else:
                init.normal_(parameter, std=0.001 if ".attention." in name else 0.01)

    def forward(
        self,
        source: Int[Tensor, "B S"],
        target: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"] | None = None,
        need_weights: bool = False,
    ) -> Float[Tensor, "B T V"] | tuple[Float[Tensor, "B T V"], Float[Tensor, "B T S"]]:
        """Compute the scores; `lengths` (B,) is the number of real words of each source. See `AttentionDecoder`."""
        annotations = self.encoder(source, lengths)  # B, S, 2n
        return self.decoder(target, annotations, lengths, need_weights)  # B, T, V

    def begin(self, source: Int[Tensor, "B S"], lengths: Int[Tensor, " B"] | None = None) -> AttentionState:
        """Return the decoder's first state, for `step`."""
        return self.decoder.begin(self.encoder(source, lengths), lengths)

    def step(self, tokens: Int[Tensor, " B"], state: AttentionState) -> tuple[Float[Tensor, "B V"], AttentionState]:
        """Read one more target word per row; return the scores of the next word, and the state."""
        return self.decoder.step(tokens, state)


def build_paper_gru(input_size: int, hidden_size: int, **options: Any) -> GRU_cell:
    """Build the GRU of appendix A.1.1: the reset gate acts before the product with U, z weighs what is new."""
    return GRU_cell(input_size, hidden_size, reset_after=False, complement=True, **options)
