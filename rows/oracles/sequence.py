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
        x = flip(x, lengths) if self.reverse else x
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, after = self.net(packed, hx)
        output = pad_packed_sequence(output, batch_first=True, total_length=x.size(1))[0]
        return flip(output, lengths) if self.reverse else output, after


def flip(x, lengths):
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
