"""Independent implementations of the autoencoders, by torch.nn's functions and by loops."""

import heapq
import itertools

import torch
import torch.nn.functional as F
from torch import nn


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
