"""Bahdanau et al. 2015, appendix A, sentence by sentence and word by word."""

import torch
from torch import nn


class Holder(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


def gru(cell, x, s, c=None):
    """Appendix A.1.1 and A.2.1: the weights of y and c apart, as the paper has them."""
    m = len(x)
    (w_r, w_z, w), (u_r, u_z, u) = cell.weight_ih.chunk(3), cell.weight_hh.chunk(3)
    b_r, b_z, b = (cell.bias_ih + cell.bias_hh).chunk(3)

    def from_input(weight):
        return weight[:, :m] @ x + (0 if c is None else weight[:, m:] @ c)

    z = torch.sigmoid(from_input(w_z) + u_z @ s + b_z)
    r = torch.sigmoid(from_input(w_r) + u_r @ s + b_r)
    candidate = torch.tanh(from_input(w) + u @ (r * s) + b)
    return (1 - z) * s + z * candidate


class AttentionEncoderOracle(nn.Module):
    def __init__(self, vocabulary, m, n):
        super().__init__()
        self.n = n
        self.embedding = nn.Embedding(vocabulary, m)
        self.forwards, self.backwards = Holder(cell=nn.GRUCell(m, n)), Holder(cell=nn.GRUCell(m, n))

    def forward(self, source, lengths=None):
        return torch.stack([self.sentence(row, n) for row, n in zip(source, counts(source, lengths))])

    def sentence(self, words, length):
        x = self.embedding(words)
        halves = []
        for cell, order in ((self.forwards.cell, range(length)), (self.backwards.cell, reversed(range(length)))):
            h = [x.new_zeros(self.n)] * len(words)
            s = x.new_zeros(self.n)
            for j in order:
                s = h[j] = gru(cell, x[j], s)
            halves.append(torch.stack(h))
        return torch.cat(halves, 1)


class AttentionDecoderOracle(nn.Module):
    def __init__(self, vocabulary, m, n, alignment, maxout):
        super().__init__()
        self.m, self.n = m, n
        self.embedding = nn.Embedding(vocabulary, m)
        self.first = nn.Linear(n, n)
        self.attention = Holder(
            v=nn.Parameter(torch.zeros(alignment)),
            query_proj=nn.Linear(n, alignment, bias=False),
            key_proj=nn.Linear(2 * n, alignment, bias=False),
        )
        self.cell = nn.GRUCell(m + 2 * n, n)
        self.readout = nn.Linear(n + m + 2 * n, 2 * maxout)
        self.head = nn.Linear(maxout, vocabulary)

    def forward(self, target, annotations, lengths=None, need_weights=False):
        found = [self.sentence(y, h, n) for y, h, n in zip(target, annotations, counts(annotations, lengths))]
        logits, weights = (torch.stack(part) for part in zip(*found))
        return (logits, weights) if need_weights else logits

    def sentence(self, target, h, length):
        w_a, u_a, v_a = self.attention.query_proj.weight, self.attention.key_proj.weight, self.attention.v
        u_o, v_o, c_o = self.readout.weight.split([self.n, self.m, 2 * self.n], 1)
        s = torch.tanh(self.first.weight @ h[0, self.n :] + self.first.bias)
        logits, weights = [], []
        for word in target:
            y = self.embedding(word)
            e = [v_a @ torch.tanh(w_a @ s + u_a @ h[j]) for j in range(length)]
            alpha = torch.softmax(torch.stack(e), 0) if e else s.new_zeros(0)
            c = sum((alpha[j] * h[j] for j in range(length)), start=torch.zeros_like(h[0]))
            t = u_o @ s + v_o @ y + c_o @ c + self.readout.bias
            t = torch.stack([torch.maximum(t[2 * j], t[2 * j + 1]) for j in range(len(t) // 2)])
            logits.append(self.head.weight @ t + self.head.bias)
            weights.append(torch.cat([alpha, alpha.new_zeros(len(h) - length)]))
            s = gru(self.cell, y, s, c)
        return torch.stack(logits), torch.stack(weights)


class BahdanauOracle(nn.Module):
    def __init__(self, source_vocab, target_vocab, m, n, alignment, maxout):
        super().__init__()
        self.encoder = AttentionEncoderOracle(source_vocab, m, n)
        self.decoder = AttentionDecoderOracle(target_vocab, m, n, alignment, maxout)

    def forward(self, source, target, lengths=None):
        return self.decoder(target, self.encoder(source, lengths), lengths)


def counts(x, lengths):
    return [x.size(1)] * len(x) if lengths is None else lengths.tolist()
