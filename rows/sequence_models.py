"""Rows: stacks of recurrent layers, language models and sequence to sequence."""

import torch
from torch import nn

from groundup.functional import cross_entropy
from groundup.models.recurrent_networks import GRU, LSTM, Decoder, Encoder, LangModel, RNN_factory, Seq2Seq, SimpleRNN
from groundup.optimizers import Adam
from rows.benchmark import Benchmark
from rows.kit import Case, bad_inputs, draw, grid, label, seeded_randn
from rows.oracles.sequence import EncoderOracle, LanguageOracle, PeerRows, Rows, Seq2SeqOracle
from rows.units import Train

I, H, T, V = 3, 4, 3, 7
LENGTHS = torch.tensor([2, 3])
SMALL_WEIGHTS = 0.5  # of large ones the rounding of bfloat16 grows with every step
ROUNDED = {torch.bfloat16: 0.06}  # two layers of tanh are several rounded operations in the definition


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


def stack_case(component, what, build, inputs, peer, reverse=False, packed=True, **rest):
    return Case(
        component,
        what,
        lambda: Rows(build()),
        inputs,
        lambda: PeerRows(peer(), reverse, packed),
        **{"tolerance": ROUNDED, "gain": SMALL_WEIGHTS, "deep": True, **rest},
    )


def model_case(component, what, build, inputs, oracle, **rest):
    """A case of a model over words, which has no input to differentiate."""
    return Case(
        component, what, build, inputs, oracle, **{"differentiable": False, "gain": SMALL_WEIGHTS, "deep": True, **rest}
    )


def torch_rnn(nonlinearity):
    return lambda **o: nn.RNN(I, H, nonlinearity=nonlinearity, batch_first=True, **o)


FACTORY = {
    "RNN_TANH": torch_rnn("tanh"),
    "RNN_RELU": torch_rnn("relu"),
    "LSTM": lambda **o: nn.LSTM(I, H, batch_first=True, **o),
    "GRU": lambda **o: nn.GRU(I, H, batch_first=True, **o),
}
LAYERS = {"SimpleRNN": (SimpleRNN, nn.RNN), "LSTM": (LSTM, nn.LSTM), "GRU": (GRU, nn.GRU)}
SMALL = (V, V - 1, I, H, 2)

CASES = [
    *[
        stack_case(
            "RNN_factory",
            f"{mode},{label(**o)}",
            lambda mode=mode, o=o: RNN_factory(mode, I, H, num_layers=2, **o),
            draw(T, I),
            lambda peer=peer, o=o: peer(num_layers=2, **o),
        )
        for mode, peer in FACTORY.items()
        for o in grid(bidirectional=(False, True))
    ],
    *[
        stack_case(
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
        stack_case(
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
        stack_case(
            name,
            f"bias=False,layers=1,{label(**o)}",
            lambda ours=ours, o=o: ours(I, H, bias=False, batch_first=True, **o),
            draw(T, I),
            lambda peer=peer, o=o: peer(I, H, bias=False, batch_first=True, **o),
        )
        for name, (ours, peer) in LAYERS.items()
        for o in ([{"nonlinearity": "relu"}] if name == "SimpleRNN" else [{}])
    ],
    *[
        stack_case(
            name,
            "dropout",
            lambda ours=ours: ours(I, H, 3, batch_first=True, dropout=0.5),
            draw(T, I),
            lambda peer=peer: peer(I, H, 3, batch_first=True, dropout=0.5),
            packed=False,  # packed sequences draw in another order
            random=True,
        )
        for name, (ours, peer) in LAYERS.items()
    ],
    *[
        model_case(
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
        model_case(
            "Encoder",
            f"reverse={reverse},{inputs.__name__}",
            lambda reverse=reverse: Rows(Encoder(V, I, H, 2, reverse=reverse)),
            inputs,
            lambda reverse=reverse: Rows(EncoderOracle(V, I, H, 2, reverse)),
        )
        for reverse in (True, False)
        for inputs in (words, words_with_lengths)
    ],
    model_case(
        "Decoder",
        "",
        lambda: Rows(Decoder(V, I, H, 2)),
        words_with_states,
        lambda: Rows(LanguageOracle(V, nn.LSTM(I, H, 2, batch_first=True))),
    ),
    model_case("Seq2Seq", "", lambda: Seq2Seq(*SMALL), sentences, lambda: Seq2SeqOracle(*SMALL)),
    model_case("Seq2Seq", "lengths", lambda: Seq2Seq(*SMALL), sentences_with_lengths, lambda: Seq2SeqOracle(*SMALL)),
    model_case(
        "Seq2Seq",
        "forwards",
        lambda: Seq2Seq(*SMALL, reverse=False),
        sentences_with_lengths,
        lambda: Seq2SeqOracle(*SMALL, reverse=False),
    ),
]


x2, x3 = torch.ones(T, I), torch.ones(2, T, I)
lstm = LSTM(I, H, 2, batch_first=True)
langmodel = LangModel(V, LSTM(I, H))
seq2seq = Seq2Seq(*SMALL)
some = tokens(2, T)
two_ways = LangModel(V, GRU(I, H, bidirectional=True))
backwards = LangModel(V, GRU(I, H, reverse=True))

REQUIRED = {
    "LangModel": (V, LSTM(I, H, device="meta", dtype=torch.float64)),
    "Encoder": (V, I, H),
    "Decoder": (V, I, H),
    "Seq2Seq": SMALL,
}

BAD_INPUTS = bad_inputs(
    RNN_factory=[
        (lambda: RNN_factory("LTSM", 3, 4), "mode must be one of 'RNN_TANH'"),
        (lambda: RNN_factory("GRU", 0, 4), "input_size must be at least 1, got 0"),
        (lambda: RNN_factory("GRU", 3, 4.0), "TypeError: hidden_size must be an int, got 4.0"),
        (lambda: RNN_factory("GRU", 3, 4, 0), "num_layers must be at least 1, got 0"),
        (lambda: RNN_factory("GRU", 3, 4, dropout=2), "dropout must be"),
        (lambda: RNN_factory("GRU", 3, 4, bidirectional=True, reverse=True), "bidirectional already runs both ways"),
    ],
    SimpleRNN=[
        (lambda: SimpleRNN(3, 4, nonlinearity="sin"), "nonlinearity must be one of 'tanh', 'relu'"),
        (lambda: SimpleRNN(I, H)(x3.long()), "TypeError: x must be a floating-point tensor"),
        (lambda: SimpleRNN(I, H)(x3[None]), "x must have shape (T, B, input_size), got 4 axes"),
    ],
    LSTM=[
        (lambda: lstm(x3[..., :2]), "x must have 3 features, the input_size"),
        (lambda: lstm(x3, torch.ones(2, 2, H)), "TypeError: state must be a tuple (h, c) of 2 tensors, got 1"),
        (lambda: lstm(x3, (torch.ones(2, 2, H), torch.ones(1, 2, H))), "c must have the shape (2, 2, 4)"),
        (lambda: lstm(x2, (torch.ones(2, 1, H),) * 2), "h must have the shape (2, 4)"),
        (lambda: lstm(x3, lengths=torch.tensor([3, 4])), "lengths must lie in [0, 3], got 4"),
        (lambda: LSTM(3, 4, bias=False, forget_bias=1.0), "needs bias=True"),
    ],
    GRU=[(lambda: GRU(I, H)(x3, torch.ones(1, 1, H)), "h must have the shape (1, 3, 4)")],
    LangModel=[
        (lambda: LangModel(V, nn.LSTM(3, 4)), "TypeError: core must be recurrent layers"),
        (lambda: LangModel(0, LSTM(3, 4)), "vocab_size must be at least 1"),
        (lambda: LangModel(V, LSTM(3, 4), one_hot=True), "one_hot needs a core of input_size 7"),
        (lambda: LangModel(V, LSTM(3, 4), tied=True), "input_size 3 is its output_size 4"),
        (lambda: LangModel(V, LSTM(V, V), one_hot=True, tied=True), "tied shares the embedding"),
        (lambda: LangModel(V, LSTM(3, 4), dropout=-0.1), "dropout must be"),
        (lambda: langmodel(some[0]), "tokens must have shape (B, T), got 1 axes"),
        (lambda: langmodel(some + 9), "indices must lie in [0, 6]"),
        (lambda: LangModel(V, LSTM(V, V), one_hot=True)(some + 9), "tokens must lie in [0, 6], vocab_size being 7"),
        (lambda: two_ways.step(some[:, 0], None), "core runs both ways"),
        (lambda: backwards.read(some), "core runs backwards"),
        (lambda: langmodel.read(some, torch.tensor([0, 3])), "every prompt needs a token"),
    ],
    Encoder=[
        (lambda: Encoder(V, I, H, 2)(some[0]), "source must have shape (B, S), got 1 axes"),
        (lambda: Encoder(0), "vocab_size must be at least 1, got 0"),
    ],
    Decoder=[
        (lambda: Decoder(V, I, H, 2)(some, torch.ones(2, 2, H)), "TypeError: state must be a tuple (h, c)"),
        (lambda: Decoder(V, I, H, 0), "num_layers must be at least 1"),
    ],
    Seq2Seq=[
        (lambda: seq2seq(some, some[0]), "tokens must have shape (B, T)"),
        (lambda: seq2seq(some, some[:1]), "h must have the shape (2, 1, 4)"),
        (lambda: Seq2Seq.preset("large"), "Seq2Seq has no preset 'large'"),
    ],
)

# ---- benchmarks ----------------------------------------------------------------------------------------------------

VOCABULARY, WIDTH, LAYERS = 1000, 256, 2


class Scores(nn.Module):
    """The logits of a language model, (N, V) for N tokens, without its state."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)[0].flatten(0, 1)


class Translation(nn.Module):
    """Scores of the second half of a row of tokens; its first half is the source."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(*x.chunk(2, 1)).flatten(0, 1)


class TranslationPeer(nn.Module):
    def __init__(self):
        super().__init__()
        self.source = nn.Embedding(VOCABULARY, WIDTH)
        self.encoder = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True)
        self.target = nn.Embedding(VOCABULARY, WIDTH)
        self.decoder = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, source, target):
        _, state = self.encoder(self.source(source.flip(1)))
        return self.head(self.decoder(self.target(target), state)[0])


def compare_steps(name, size, scored, ours, peer):
    """A training step on 32 × 64 tokens; the outcome has Adam's first moves, which magnify rounding."""

    def draw_tokens():
        return torch.randint(0, VOCABULARY, (32, 64)), torch.randint(0, VOCABULARY, (32 * scored,))

    return Benchmark(
        *("model", name, size, "training step, Adam", "torch.nn + optim.Adam"),
        lambda: Train(ours(), cross_entropy, lambda p: Adam(p, lr=1e-4), draw_tokens),
        lambda: Train(peer(), nn.functional.cross_entropy, lambda p: torch.optim.Adam(p, lr=1e-4), draw_tokens),
        limit=1.0,
        tolerance=1e-2,
        not_compiled="64 steps unrolled into one graph take minutes to compile",
    )


BENCHMARKS = [
    compare_steps(
        *("LangModel, LSTM 2 × 256", "32 × 64, 1,000 words", 64),
        lambda: Scores(LangModel(VOCABULARY, LSTM(WIDTH, WIDTH, LAYERS, batch_first=True))),
        lambda: Scores(LanguageOracle(VOCABULARY, nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True))),
    ),
    compare_steps(
        *("Seq2Seq 2 × 256", "32 × 32 to 32, 1,000 words", 32),
        lambda: Translation(Seq2Seq(VOCABULARY, VOCABULARY, WIDTH, WIDTH, LAYERS)),
        lambda: Translation(TranslationPeer()),
    ),
]
