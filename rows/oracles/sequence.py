"""Independent implementations: stacks and their models of torch.nn's layers, Bahdanau's appendix as loops."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rows.kit import as_list


class Rows(nn.Module):
    """A network whose states come and go with the batch first: x, *states (B, L·D, H), lengths → output, *states."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, *rest):
        states = [s.transpose(0, 1).contiguous() for s in rest if s.is_floating_point()]
        lengths = [r for r in rest if not r.is_floating_point()]
        output, after = self.call(x, states[0] if len(states) == 1 else tuple(states), *lengths)
        return output, *(s.transpose(0, 1) for s in as_list(after))

    def call(self, x, states, lengths=None):
        given = {"state": states} if len(states) else {}
        return self.net(x, **given, **({} if lengths is None else {"lengths": lengths}))


class PeerRows(Rows):
    """The same around `nn.RNN`, `nn.LSTM` or `nn.GRU`; lengths are packed, in `reverse` all layers run backwards."""

    def __init__(self, net, reverse=False, packed=True):
        super().__init__(net)
        self.reverse, self.packed = reverse, packed

    def call(self, x, states, lengths=None):
        hx = states if len(states) else None
        if not self.packed:
            return self.net(x, hx)
        lengths = torch.full((len(x),), x.size(1)) if lengths is None else lengths
        x = flipped(x, lengths) if self.reverse else x
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, after = self.net(packed, hx)
        output = pad_packed_sequence(output, batch_first=True, total_length=x.size(1))[0]
        return flipped(output, lengths) if self.reverse else output, after


def flipped(x, lengths):
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths)])


class LanguageOracle(nn.Module):
    """nn.Embedding, or one-hot vectors, then nn.LSTM and nn.Linear."""

    def __init__(self, vocabulary, core, one_hot=False, tied=False):
        super().__init__()
        self.vocabulary, self.one_hot = vocabulary, one_hot
        if not one_hot:
            self.embedding = nn.Embedding(vocabulary, core.input_size)
        self.core = core
        self.head = nn.Linear(core.hidden_size, vocabulary)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens, state=None, lengths=None):
        if self.one_hot:
            x = nn.functional.one_hot(tokens, self.vocabulary).to(self.head.weight.dtype)
        else:
            x = self.embedding(tokens)
        if lengths is None:
            output, state = self.core(x, state)
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            output, state = self.core(packed, state)
            output = pad_packed_sequence(output, batch_first=True, total_length=x.size(1))[0]
        return self.head(output), state


class EncoderOracle(nn.Module):
    """nn.Embedding, and nn.LSTM on each source by itself, reversed."""

    def __init__(self, vocabulary, embedding, hidden, layers, reverse=True):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.core = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.reverse = reverse

    def forward(self, source, lengths=None):
        outputs, states = [], []
        for row, n in zip(source, [source.size(1)] * len(source) if lengths is None else lengths.tolist()):
            words = row[:n].flip(0) if self.reverse else row[:n]
            y, state = self.core(self.embedding(words)[None])
            y = y[0].flip(0) if self.reverse else y[0]
            outputs.append(torch.cat([y, y.new_zeros(len(row) - n, y.size(1))]))
            states.append(state)
        return torch.stack(outputs), tuple(torch.cat(parts, 1) for parts in zip(*states))


class Seq2SeqOracle(nn.Module):
    def __init__(self, source_vocab, target_vocab, embedding, hidden, layers, reverse=True):
        super().__init__()
        self.encoder = EncoderOracle(source_vocab, embedding, hidden, layers, reverse)
        self.decoder = LanguageOracle(target_vocab, nn.LSTM(embedding, hidden, layers, batch_first=True))

    def forward(self, source, target, lengths=None):
        return self.decoder(target, self.encoder(source, lengths)[1])[0]


# ---- Bahdanau et al. 2015, appendix A, sentence by sentence and word by word --------------------------------------


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
