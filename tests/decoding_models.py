"""Small models with a step: one whose every continuation can be enumerated, one recurrent, one with a cache."""

import itertools

import torch

from groundup import layers as L
from parity import randomise, seeded_randn

STOP = 0


class Table:
    """Scores of the next token, drawn for each sequence of tokens before it; the state is that sequence."""

    def __init__(self, vocabulary=3, longest=4, sharpness=1.0, seed=0, count=1):
        self.vocabulary, self.longest = vocabulary, longest
        sequences = (vocabulary + 1) ** (longest + 1)
        self.scores = sharpness * seeded_randn(count, sequences, vocabulary, seed=seed)
        self.calls = 0

    def start(self):
        count = len(self.scores)
        which = torch.arange(count)
        return torch.ones(count, dtype=torch.long), (which, which.new_zeros(count))

    def step(self, tokens, state):
        self.calls += 1
        which, key = state
        key = (key * (self.vocabulary + 1) + tokens + 1) % self.scores.size(1)
        return self.scores[which, key], (which, key)

    def log_p(self, sequence, which=0):
        key, total = 0, 0.0
        for before, token in zip([1, *sequence], sequence):
            key = (key * (self.vocabulary + 1) + before + 1) % self.scores.size(1)
            total += float(self.scores[which, key].log_softmax(-1)[token])
        return total

    def all(self, max_len):
        """Every sequence that a search of so many steps can give: with its end, or of full length without one."""
        others = range(1, self.vocabulary)
        for n in range(max_len):
            yield from ((*words, STOP) for words in itertools.product(others, repeat=n))
        yield from itertools.product(others, repeat=max_len)


class Recurrent:
    def __init__(self, vocabulary=7, hidden=5):
        self.table, self.head = (randomise(L.Linear(hidden, vocabulary), seed=s).double() for s in (1, 2))
        self.cell = randomise(L.LSTM_cell(hidden, hidden), seed=3).double()

    def start(self, count=3):
        states = tuple(seeded_randn(count, 5, seed=10 + i) for i in range(2))
        return torch.arange(count) + 1, states

    def step(self, tokens, state):
        state = self.cell(self.table.weight[tokens], state)
        return 3 * self.head(state[0]), state


class Cached:
    """Causal attention with a cache that is written in place; `uncached` computes the same from all tokens."""

    def __init__(self, vocabulary=7, width=8):
        self.table = seeded_randn(vocabulary, width, seed=4)
        self.attention = randomise(L.MultiHeadAttention(width, 2), seed=5).double().eval()
        self.head = 0.1 * seeded_randn(width, vocabulary, seed=6)

    def start(self, count=3, room=32):
        return torch.arange(count) + 1, {"cache": L.KVCache(count, 2, room, 4, dtype=torch.float64), "unused": None}

    def step(self, tokens, state):
        x = self.table[tokens][:, None]
        return (x + self.attention(x, is_causal=True, cache=state["cache"]))[:, 0] @ self.head, state

    def uncached(self, tokens, state):
        state = tokens[:, None] if state is None else torch.cat([state, tokens[:, None]], 1)
        x = self.table[state]
        return (x + self.attention(x, is_causal=True))[:, -1] @ self.head, state


MODELS = {"table": lambda: Table(5, 6, count=4), "recurrent": Recurrent, "cached": Cached}
