"""Recurrent networks: a state carries what was read so far."""

from groundup.models.recurrent_networks.echo_state import EchoStateNetwork
from groundup.models.recurrent_networks.language_model import LangModel
from groundup.models.recurrent_networks.seq2seq import Decoder, Encoder, Seq2Seq
from groundup.models.recurrent_networks.stacked import GRU, LSTM, RNN_factory, SimpleRNN

__all__ = [
    "Decoder",
    "EchoStateNetwork",
    "Encoder",
    "GRU",
    "LangModel",
    "LSTM",
    "RNN_factory",
    "Seq2Seq",
    "SimpleRNN",
]
