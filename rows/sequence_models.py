"""Rows: stacks of recurrent layers, language models, sequence to sequence, and translation with attention."""

import torch
from torch import nn

from groundup.models.attention_networks import AttentionDecoder, AttentionEncoder, BahdanauAttention
from groundup.models.recurrent_networks import GRU, LSTM, Decoder, Encoder, LangModel, RNN_factory, Seq2Seq, SimpleRNN
from rows.kit import Case, grid, label, seeded_randn, shaped
from rows.oracles.sequence import (
    AttentionDecoderOracle,
    AttentionEncoderOracle,
    BahdanauOracle,
    EncoderOracle,
    LanguageOracle,
    PeerRows,
    Rows,
    Seq2SeqOracle,
)

I, H, T, V = 3, 4, 3, 7
LENGTHS = torch.tensor([2, 3])
SMALL_WEIGHTS = 0.5  # of large ones the rounding of bfloat16 grows with every step
# Two layers of tanh, and the steps of attention, each several rounded operations in the definition. The maximum of
# maxout may be another after rounding: these weights are of size 1, so that few are near one another.
ROUNDED, MAXOUT = {torch.bfloat16: 0.06}, {"tolerance": {torch.bfloat16: 0.15}, "gain": 1.0}


def tokens(*shape, high=V, seed=2):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(seed))


def states(layers, count=1):
    def make(batch=2, dtype=torch.float64):
        x = seeded_randn(batch, T, I, dtype=dtype)
        return x, *(seeded_randn(batch, layers, H, dtype=dtype, seed=20 + i) for i in range(count))

    return make


def with_lengths(batch=2, dtype=torch.float64):
    return seeded_randn(batch, T, I, dtype=dtype), LENGTHS[:batch]


def words(batch=2, dtype=torch.float64):
    return (tokens(batch, 2),)  # the cases that are compiled: every step is compiled again


def words_with_lengths(batch=2, dtype=torch.float64):
    return tokens(batch, T), LENGTHS[:batch]


def words_with_states(batch=2, dtype=torch.float64):
    return tokens(batch, T), *(seeded_randn(batch, 2, H, dtype=dtype, seed=20 + i) for i in range(2))


def sentences(batch=2, dtype=torch.float64):
    return tokens(batch, 2), tokens(batch, 2, high=V - 1, seed=3)


def sentences_with_lengths(batch=2, dtype=torch.float64):
    return tokens(batch, T), tokens(batch, 3, high=V - 1, seed=3), LENGTHS[:batch]


def annotated(batch=2, dtype=torch.float64):
    return tokens(batch, 2), seeded_randn(batch, T, 2 * H, dtype=dtype)


def annotated_with_lengths(batch=2, dtype=torch.float64):
    return *annotated(batch, dtype), LENGTHS[:batch]


def stack(component, what, build, inputs, peer, reverse=False, packed=True, **rest):
    return Case(
        component,
        what,
        lambda: Rows(build()),
        inputs,
        lambda: PeerRows(peer(), reverse, packed),
        **{"tolerance": ROUNDED, "gain": SMALL_WEIGHTS, "deep": True, **rest},
    )


def whole(component, what, build, inputs, oracle, **rest):
    """Of models over words: no input to differentiate."""
    return Case(
        component, what, build, inputs, oracle, **{"differentiable": False, "gain": SMALL_WEIGHTS, "deep": True, **rest}
    )


def plain(nonlinearity):
    return lambda **o: nn.RNN(I, H, nonlinearity=nonlinearity, batch_first=True, **o)


FACTORY = {
    "RNN_TANH": plain("tanh"),
    "RNN_RELU": plain("relu"),
    "LSTM": lambda **o: nn.LSTM(I, H, batch_first=True, **o),
    "GRU": lambda **o: nn.GRU(I, H, batch_first=True, **o),
}
LAYERS = {"SimpleRNN": (SimpleRNN, nn.RNN), "LSTM": (LSTM, nn.LSTM), "GRU": (GRU, nn.GRU)}
SMALL = (V, V - 1, I, H, 2)
ATTENTION = (V, V - 1, I, H, 3, 2)

CASES = [
    *[
        stack(
            "RNN_factory",
            f"{mode},{label(**o)}",
            lambda mode=mode, o=o: RNN_factory(mode, I, H, num_layers=2, **o),
            shaped(T, I),
            lambda peer=peer, o=o: peer(num_layers=2, **o),
        )
        for mode, peer in FACTORY.items()
        for o in grid(bidirectional=(False, True))
    ],
    *[
        stack(
            "RNN_factory",
            f"{mode},reverse,lengths",
            lambda mode=mode: RNN_factory(mode, I, H, num_layers=2, reverse=True),
            with_lengths,
            lambda peer=peer: peer(num_layers=2),
            reverse=True,
        )
        for mode, peer in FACTORY.items()
    ],
    *[
        stack(
            name,
            f"{what},bidirectional={both}",
            lambda ours=ours, both=both: ours(I, H, 2, batch_first=True, bidirectional=both),
            inputs(name, 2 * (1 + both)),
            lambda peer=peer, both=both: peer(I, H, 2, batch_first=True, bidirectional=both),
        )
        for name, (ours, peer) in LAYERS.items()
        for what, inputs in (
            ("states", lambda name, layers: states(layers, 1 + (name == "LSTM"))),
            ("lengths", lambda name, layers: with_lengths),
        )
        for both in (False, True)
    ],
    *[
        stack(
            name,
            f"bias=False,layers=1,{label(**o)}",
            lambda ours=ours, o=o: ours(I, H, bias=False, batch_first=True, **o),
            shaped(T, I),
            lambda peer=peer, o=o: peer(I, H, bias=False, batch_first=True, **o),
        )
        for name, (ours, peer) in LAYERS.items()
        for o in ([{"nonlinearity": "relu"}] if name == "SimpleRNN" else [{}])
    ],
    *[
        stack(
            name,
            "dropout",
            lambda ours=ours: ours(I, H, 3, batch_first=True, dropout=0.5),
            shaped(T, I),
            lambda peer=peer: peer(I, H, 3, batch_first=True, dropout=0.5),
            packed=False,  # packed sequences draw in another order
            random=True,
        )
        for name, (ours, peer) in LAYERS.items()
    ],
    *[
        whole(
            "LangModel",
            what,
            lambda size=size, o=o: Rows(LangModel(V, LSTM(size, H, 2, batch_first=True), **o)),
            inputs,
            lambda size=size, o=o: Rows(LanguageOracle(V, nn.LSTM(size, H, 2, batch_first=True), **o)),
        )
        for what, size, o, inputs in (
            ("", I, {}, words),
            ("lengths", I, {}, words_with_lengths),
            ("states", I, {}, words_with_states),
            ("one_hot", V, {"one_hot": True}, words),
            ("tied", H, {"tied": True}, words),
        )
    ],
    *[
        whole(
            "Encoder",
            f"reverse={reverse},{inputs.__name__}",
            lambda reverse=reverse: Rows(Encoder(V, I, H, 2, reverse=reverse)),
            inputs,
            lambda reverse=reverse: Rows(EncoderOracle(V, I, H, 2, reverse)),
        )
        for reverse in (True, False)
        for inputs in (words, words_with_lengths)
    ],
    whole(
        "Decoder",
        "",
        lambda: Rows(Decoder(V, I, H, 2)),
        words_with_states,
        lambda: Rows(LanguageOracle(V, nn.LSTM(I, H, 2, batch_first=True))),
    ),
    whole("Seq2Seq", "", lambda: Seq2Seq(*SMALL), sentences, lambda: Seq2SeqOracle(*SMALL)),
    whole("Seq2Seq", "lengths", lambda: Seq2Seq(*SMALL), sentences_with_lengths, lambda: Seq2SeqOracle(*SMALL)),
    whole(
        "Seq2Seq",
        "forwards",
        lambda: Seq2Seq(*SMALL, reverse=False),
        sentences_with_lengths,
        lambda: Seq2SeqOracle(*SMALL, reverse=False),
    ),
    *[
        whole(
            "AttentionEncoder",
            inputs.__name__,
            lambda: AttentionEncoder(V, I, H),
            inputs,
            lambda: AttentionEncoderOracle(V, I, H),
        )
        for inputs in (words, words_with_lengths)
    ],
    *[
        Case(
            "AttentionDecoder",
            inputs.__name__,
            lambda: AttentionDecoder(V, I, H, 3, 2),
            inputs,
            lambda: AttentionDecoderOracle(V, I, H, 3, 2),
            deep=True,
            **MAXOUT,
        )
        for inputs in (annotated, annotated_with_lengths)
    ],
    *[
        whole(
            "BahdanauAttention",
            inputs.__name__,
            lambda: BahdanauAttention(*ATTENTION),
            inputs,
            lambda: BahdanauOracle(*ATTENTION),
            **MAXOUT,
        )
        for inputs in (sentences, sentences_with_lengths)
    ],
]


x2, x3 = torch.ones(T, I), torch.ones(2, T, I)
lstm = LSTM(I, H, 2, batch_first=True)
langmodel = LangModel(V, LSTM(I, H))
seq2seq = Seq2Seq(*SMALL)
decoder = AttentionDecoder(V, I, H, 3, 2)
bahdanau = BahdanauAttention(*ATTENTION)
some, memory = tokens(2, T), torch.ones(2, T, 2 * H)
two_ways = LangModel(V, GRU(I, H, bidirectional=True))
backwards = LangModel(V, GRU(I, H, reverse=True))

REQUIRED = {
    "LangModel": (V, LSTM(I, H, device="meta", dtype=torch.float64)),
    "Encoder": (V, I, H),
    "Decoder": (V, I, H),
    "Seq2Seq": SMALL,
    "AttentionEncoder": (V, I, H),
    "AttentionDecoder": (V, I, H, 3, 2),
    "BahdanauAttention": ATTENTION,
}

BAD_INPUTS = [
    ("RNN_factory", lambda: RNN_factory("LTSM", 3, 4), ValueError, "mode must be one of 'RNN_TANH'"),
    ("RNN_factory", lambda: RNN_factory("GRU", 0, 4), ValueError, "input_size must be at least 1, got 0"),
    ("RNN_factory", lambda: RNN_factory("GRU", 3, 4.0), TypeError, "hidden_size must be an int, got 4.0"),
    ("RNN_factory", lambda: RNN_factory("GRU", 3, 4, 0), ValueError, "num_layers must be at least 1, got 0"),
    ("RNN_factory", lambda: RNN_factory("GRU", 3, 4, dropout=2), ValueError, "dropout must be"),
    (
        "RNN_factory",
        lambda: RNN_factory("GRU", 3, 4, bidirectional=True, reverse=True),
        ValueError,
        "bidirectional already runs both ways",
    ),
    (
        "SimpleRNN",
        lambda: SimpleRNN(3, 4, nonlinearity="sin"),
        ValueError,
        "nonlinearity must be one of 'tanh', 'relu'",
    ),
    ("SimpleRNN", lambda: SimpleRNN(I, H)(x3.long()), TypeError, "x must be a floating-point tensor"),
    ("SimpleRNN", lambda: SimpleRNN(I, H)(x3[None]), ValueError, "x must have shape (T, B, input_size), got 4 axes"),
    ("LSTM", lambda: lstm(x3[..., :2]), ValueError, "x must have 3 features, the input_size"),
    ("LSTM", lambda: lstm(x3, torch.ones(2, 2, H)), TypeError, "state must be a tuple (h, c) of 2 tensors, got 1"),
    (
        "LSTM",
        lambda: lstm(x3, (torch.ones(2, 2, H), torch.ones(1, 2, H))),
        ValueError,
        "c must have the shape (2, 2, 4)",
    ),
    ("LSTM", lambda: lstm(x2, (torch.ones(2, 1, H),) * 2), ValueError, "h must have the shape (2, 4)"),
    ("LSTM", lambda: lstm(x3, lengths=torch.tensor([3, 4])), ValueError, "lengths must lie in [0, 3], got 4"),
    ("LSTM", lambda: LSTM(3, 4, bias=False, forget_bias=1.0), ValueError, "needs bias=True"),
    ("GRU", lambda: GRU(I, H)(x3, torch.ones(1, 1, H)), ValueError, "h must have the shape (1, 3, 4)"),
    ("LangModel", lambda: LangModel(V, nn.LSTM(3, 4)), TypeError, "core must be recurrent layers"),
    ("LangModel", lambda: LangModel(0, LSTM(3, 4)), ValueError, "vocab_size must be at least 1"),
    ("LangModel", lambda: LangModel(V, LSTM(3, 4), one_hot=True), ValueError, "one_hot needs a core of input_size 7"),
    ("LangModel", lambda: LangModel(V, LSTM(3, 4), tied=True), ValueError, "input_size 3 is its output_size 4"),
    ("LangModel", lambda: LangModel(V, LSTM(V, V), one_hot=True, tied=True), ValueError, "tied shares the embedding"),
    ("LangModel", lambda: LangModel(V, LSTM(3, 4), dropout=-0.1), ValueError, "dropout must be"),
    ("LangModel", lambda: langmodel(some[0]), ValueError, "tokens must have shape (B, T), got 1 axes"),
    ("LangModel", lambda: langmodel(some + 9), ValueError, "indices must lie in [0, 6]"),
    (
        "LangModel",
        lambda: LangModel(V, LSTM(V, V), one_hot=True)(some + 9),
        ValueError,
        "tokens must lie in [0, 6], vocab_size being 7",
    ),
    ("LangModel", lambda: two_ways.step(some[:, 0], None), ValueError, "core runs both ways"),
    ("LangModel", lambda: backwards.read(some), ValueError, "core runs backwards"),
    ("LangModel", lambda: langmodel.read(some, torch.tensor([0, 3])), ValueError, "every prompt needs a token"),
    ("Encoder", lambda: Encoder(V, I, H, 2)(some[0]), ValueError, "source must have shape (B, S), got 1 axes"),
    ("Encoder", lambda: Encoder(0), ValueError, "vocab_size must be at least 1, got 0"),
    ("Decoder", lambda: Decoder(V, I, H, 2)(some, torch.ones(2, 2, H)), TypeError, "state must be a tuple (h, c)"),
    ("Decoder", lambda: Decoder(V, I, H, 0), ValueError, "num_layers must be at least 1"),
    ("Seq2Seq", lambda: seq2seq(some, some[0]), ValueError, "tokens must have shape (B, T)"),
    ("Seq2Seq", lambda: seq2seq(some, some[:1]), ValueError, "h must have the shape (2, 1, 4)"),
    ("Seq2Seq", lambda: Seq2Seq.preset("large"), ValueError, "Seq2Seq has no preset 'large'"),
    ("AttentionEncoder", lambda: AttentionEncoder(V, I, H)(some[0]), ValueError, "source must have shape (B, S)"),
    ("AttentionEncoder", lambda: AttentionEncoder(V, I, 0), ValueError, "hidden_size must be at least 1"),
    ("AttentionDecoder", lambda: decoder(some[0], memory), ValueError, "target must have shape (B, T)"),
    ("AttentionDecoder", lambda: decoder(some, memory[..., :6]), ValueError, "annotations must have 8 features"),
    ("AttentionDecoder", lambda: decoder(some, memory[:, :0]), ValueError, "at least one source word"),
    ("AttentionDecoder", lambda: decoder(some, memory.long()), TypeError, "annotations must be a floating-point"),
    ("AttentionDecoder", lambda: AttentionDecoder(V, annotation_size=7), ValueError, "annotation_size must be even"),
    ("AttentionDecoder", lambda: AttentionDecoder(V, maxout_size=0), ValueError, "maxout_size must be at least 1"),
    ("BahdanauAttention", lambda: bahdanau(some[0], some), ValueError, "source must have shape (B, S)"),
    ("BahdanauAttention", lambda: bahdanau(some, some, torch.tensor([9, 9])), ValueError, "lengths must lie in [0, 3]"),
    ("BahdanauAttention", lambda: BahdanauAttention(3, 3, alignment_size=0), ValueError, "hidden_size must be at le"),
]
