"""The catalogue's recurrent networks."""

from __future__ import annotations

from groundup.catalogue.component import Component

_GRAVES = (
    "Graves et al. 2013, Speech Recognition with Deep Recurrent Neural Networks",
    "https://arxiv.org/abs/1303.5778",
)
_ELMAN = ("Elman 1990, Finding Structure in Time", "https://doi.org/10.1207/s15516709cog1402_1")
_HOCHREITER = (
    "Hochreiter and Schmidhuber 1997, Long Short-Term Memory",
    "https://doi.org/10.1162/neco.1997.9.8.1735",
)
_CHO = (
    "Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder",
    "https://arxiv.org/abs/1406.1078",
)
_MIKOLOV = (
    "Mikolov et al. 2010, Recurrent Neural Network Based Language Model",
    "https://doi.org/10.21437/Interspeech.2010-343",
)
_SUTSKEVER = (
    "Sutskever et al. 2014, Sequence to Sequence Learning with Neural Networks",
    "https://arxiv.org/abs/1409.3215",
)


def _row(
    number: int, name: str, summary: str, paper: tuple[str, str], oracle: str, *figures: tuple[str, str], example: str
) -> Component:
    module = "groundup.models.recurrent_networks"
    return Component(number, name, "recurrent", module, summary, *paper, oracle, figures=figures, example=example)


ROWS = (
    _row(
        68,
        "RNN_factory",
        "stacked recurrent layers, in one or both directions",
        _GRAVES,
        "torch.nn.RNNBase",
        example="RNN_factory('LSTM', 32, 64, num_layers=2)(torch.randn(1, 10, 32))",
    ),
    _row(
        69,
        "SimpleRNN",
        "stacked layers of the plain recurrent unit",
        _ELMAN,
        "torch.nn.RNN, packed",
        example="SimpleRNN(32, 64, num_layers=2, batch_first=True)(torch.randn(1, 10, 32))",
    ),
    _row(
        70,
        "LSTM",
        "stacked layers of long short-term memory",
        _HOCHREITER,
        "torch.nn.LSTM, packed",
        example="LSTM(32, 64, num_layers=2, batch_first=True)(torch.randn(1, 10, 32))",
    ),
    _row(
        71,
        "GRU",
        "stacked layers of gated recurrent units",
        _CHO,
        "torch.nn.GRU, packed; a loop",
        example="GRU(32, 64, num_layers=2, batch_first=True)(torch.randn(1, 10, 32))",
    ),
    _row(
        72,
        "LangModel",
        "recurrent language model: predicts the next token",
        _MIKOLOV,
        "torch.nn.LSTM between Embedding and Linear",
        example="LangModel(10000, LSTM(64, 128, batch_first=True))(torch.randint(10000, (1, 35)))",
    ),
    _row(
        74,
        "Encoder",
        "reads a sequence into a state",
        _SUTSKEVER,
        "torch.nn.LSTM on reversed sources",
        example="Encoder(10000)(torch.randint(10000, (1, 20)))",
    ),
    _row(
        75,
        "Decoder",
        "writes a sequence from a state",
        _SUTSKEVER,
        "torch.nn.LSTM",
        example="Decoder(10000)(torch.randint(10000, (1, 20)))",
    ),
    _row(
        76,
        "Seq2Seq",
        "encoder and decoder for translation",
        _SUTSKEVER,
        "torch.nn's layers, composed",
        ("parameters", "384,000,000, biases not counted (section 3.4)"),
        example="Seq2Seq(160000, 80000)(torch.randint(160000, (1, 20)), torch.randint(80000, (1, 20)))",
    ),
)
