"""Language models and translation against the same networks in `torch.nn`: a training step."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup.functional import cross_entropy
from groundup.models.recurrent_networks import LSTM, LangModel, Seq2Seq
from groundup.optimizers import Adam
from rows.units import Train, Unit

BATCH, TIME, VOCABULARY, VECTOR, HIDDEN, LAYERS = 32, 64, 1000, 256, 256, 2
UNROLLED = "64 steps unrolled into one graph take minutes to compile"


class Scores(nn.Module):
    """A model's logits, (N, V) for N tokens, without its state."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        y = self.model(x)
        return (y[0] if isinstance(y, tuple) else y).flatten(0, 1)


class LanguagePeer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, VECTOR)
        self.core = nn.LSTM(VECTOR, HIDDEN, LAYERS, batch_first=True)
        self.head = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.core(self.embedding(x))[0])


class Translation(nn.Module):
    """Scores of the second half of a row of tokens, its first half being the source."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(*x.chunk(2, 1)).flatten(0, 1)


class TranslationPeer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(VOCABULARY, VECTOR)
        self.encoder = nn.LSTM(VECTOR, HIDDEN, LAYERS, batch_first=True)
        self.target = nn.Embedding(VOCABULARY, VECTOR)
        self.decoder = nn.LSTM(VECTOR, HIDDEN, LAYERS, batch_first=True)
        self.head = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        _, state = self.encoder(self.source(source.flip(1)))
        return self.head(self.decoder(self.target(target), state)[0])


def tokens(scored: int) -> Callable[[], tuple[Tensor, Tensor]]:
    def draw() -> tuple[Tensor, Tensor]:
        return torch.randint(0, VOCABULARY, (BATCH, TIME)), torch.randint(0, VOCABULARY, (BATCH * scored,))

    return draw


def ours(model: Callable[[], nn.Module], scored: int = TIME) -> Callable[[], Unit]:
    return lambda: Train(model(), cross_entropy, lambda p: Adam(p, lr=1e-4), tokens(scored))


def theirs(model: Callable[[], nn.Module], scored: int = TIME) -> Callable[[], Unit]:
    return lambda: Train(model(), F.cross_entropy, lambda p: torch.optim.Adam(p, lr=1e-4), tokens(scored))


def language_model() -> nn.Module:
    return Scores(LangModel(VOCABULARY, LSTM(VECTOR, HIDDEN, LAYERS, batch_first=True)))


def seq2seq() -> nn.Module:
    return Translation(Seq2Seq(VOCABULARY, VOCABULARY, VECTOR, HIDDEN, LAYERS))


# The outcome of a training step holds Adam's moves, g / |g| at first, which magnify the rounding of small gradients.
ROWS = [
    Row(
        *("model", "LangModel, LSTM 2 × 256", f"{BATCH} × {TIME}, 1,000 words"),
        *("training step, Adam", "torch.nn + optim.Adam"),
        *(ours(language_model), theirs(lambda: Scores(LanguagePeer())), 1.0),
        tolerance=1e-2,
        not_compiled=UNROLLED,
    ),
    Row(
        *("model", "Seq2Seq 2 × 256", f"{BATCH} × {TIME // 2} to {TIME // 2}, 1,000 words"),
        *("training step, Adam", "torch.nn + optim.Adam"),
        ours(seq2seq, TIME // 2),
        theirs(lambda: Translation(TranslationPeer()), TIME // 2),
        1.0,
        tolerance=1e-2,
        not_compiled=UNROLLED,
    ),
]
