"""What the sweep cannot say of stacks: layers one by one, lengths, layouts, names, and how they begin."""

import itertools

import pytest
import torch
from torch import nn

from groundup import backend
from groundup import layers as L
from groundup.models.recurrent_networks import GRU, LSTM, RNN_factory, SimpleRNN
from parity import as_list, randomise, seeded_randn

I, H, B, T = 3, 4, 4, 6
LENGTHS = torch.tensor([4, 6, 0, 3])
UNITS = {
    "tanh": (lambda **o: SimpleRNN(I, H, 2, **o), lambda i: L.RNN_cell(i, H)),
    "relu, layer norm": (
        lambda **o: SimpleRNN(I, H, 2, "relu", layer_norm=True, **o),
        lambda i: L.RNN_cell(i, H, nonlinearity="relu", layer_norm=True),
    ),
    "LSTM": (lambda **o: LSTM(I, H, 2, **o), lambda i: L.LSTM_cell(i, H)),
    "peephole": (lambda **o: LSTM(I, H, 2, peephole=True, **o), lambda i: L.LSTM_cell(i, H, peephole=True)),
    "GRU": (lambda **o: GRU(I, H, 2, **o), lambda i: L.GRU_cell(i, H)),
    "reset before": (lambda **o: GRU(I, H, 2, reset_after=False, **o), lambda i: L.GRU_cell(i, H, reset_after=False)),
}
MODES = pytest.mark.parametrize("mode", ["reference", "auto"])
EVERY_UNIT = pytest.mark.parametrize("unit", UNITS)
WAYS = [{}, {"reverse": True}, {"bidirectional": True}]


def build(unit, **options):
    return randomise(UNITS[unit][0](batch_first=True, **options)).double()


def of_single_layers(net, cell, x, lengths):
    """The layers as `layers.RNN` of a cell each, put together by hand."""
    states = []
    for layer in range(2):
        outputs = []
        for suffix in net.suffixes:
            made = cell(x.size(-1)).double()
            made.load_state_dict({name: net.state_dict()[f"{name}_l{layer}{suffix}"] for name in made.state_dict()})
            output, state = L.RNN(made, reverse=net.reverse or suffix != "")(x, lengths=lengths)
            outputs.append(output)
            states.append(as_list(state))
        x = torch.cat(outputs, -1)
    return x, [torch.stack(column) for column in zip(*states)]


@MODES
@EVERY_UNIT
@pytest.mark.parametrize(("way", "lengths"), list(itertools.product(WAYS, (None, LENGTHS))), ids=str)
def test_a_stack_is_its_layers_one_by_one(unit, way, lengths, mode):
    """Options that PyTorch has not, too; states in the order layer 0 →, layer 0 ←, layer 1 →, layer 1 ←."""
    net, x = build(unit, **way), seeded_randn(B, T, I)
    with backend(mode):
        output, state = net(x, lengths=lengths)
        expected, states = of_single_layers(net, UNITS[unit][1], x, lengths)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    for a, b in zip(as_list(state), states, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@MODES
@EVERY_UNIT
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_padding_changes_nothing(unit, way, mode):
    """Random biases, NaN in the padding: real outputs and states are those of each sequence alone."""
    net, x = build(unit, **way), seeded_randn(B, T, I)
    x = torch.where((torch.arange(T) < LENGTHS[:, None])[..., None], x, torch.nan)
    with backend(mode):
        output, state = net(x, lengths=LENGTHS)
        for row, n in enumerate(LENGTHS.tolist()):
            assert (output[row, n:] == 0).all()
            alone, alone_state = net(x[row, :n])
            torch.testing.assert_close(output[row, :n], alone, rtol=0, atol=1e-12)
            for a, b in zip(as_list(state), as_list(alone_state)):
                torch.testing.assert_close(a[:, row], b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), [(SimpleRNN, nn.RNN), (LSTM, nn.LSTM), (GRU, nn.GRU)])
def test_a_drop_in_for_pytorch(ours, theirs):
    """The same positions of arguments, defaults, names, shapes; time first, batch first, and no batch at all."""
    assert ours(I, H, 2).batch_first == theirs(I, H, 2).batch_first is False
    for options in ({}, {"bias": False}, {"bidirectional": True}, {"batch_first": True}):
        net, peer = randomise(ours(I, H, 2, **options)).double(), theirs(I, H, 2, **options).double()
        peer.load_state_dict(net.state_dict(), strict=True)
        rows = 2 * (1 + peer.bidirectional)
        x, begin = seeded_randn(B, T, I), [seeded_randn(rows, B, H, seed=s) for s in (5, 6)]
        single = [s[:, 0] for s in begin]
        if ours is not LSTM:
            begin, single = begin[0], single[0]
        else:
            begin, single = tuple(begin), tuple(single)
        x = x if net.batch_first else x.transpose(0, 1)
        alone = x[0] if net.batch_first else x[:, 0]
        for arguments in ((x,), (x, begin), (alone,), (alone, single)):
            for a, b in zip(as_list(net(*arguments)), as_list(peer(*arguments)), strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    with pytest.raises(TypeError, match="proj_size"):
        ours(I, H, proj_size=2)


def test_the_factory_is_batch_first_and_double_in_is_double_out():
    net = RNN_factory("RNN_TANH", I, H).double()
    output, h = net(seeded_randn(B, T, I))
    assert (output.shape, h.shape) == ((B, T, H), (1, B, H))
    assert output.dtype == h.dtype == torch.float64


def test_dropout_is_between_layers_alone():
    """Not after the last one, and not when evaluating."""
    x = seeded_randn(B, T, I)
    one, two = build("GRU", dropout=0.9), build("GRU")
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.eval()(x)[0], two(x)[0])
    single = randomise(GRU(I, H, 1, dropout=1.0, batch_first=True)).double()
    assert single(x)[0].ne(0).all()
    everything = build("GRU", dropout=1.0).train()  # the second layer reads zeros
    assert torch.allclose(everything(x)[0], everything(2 * x)[0])


def test_reset_parameters_and_the_forget_bias():
    torch.manual_seed(1)
    net = LSTM(I, 100, 2, bidirectional=True, forget_bias=1.0)
    before = {name: p.clone() for name, p in net.named_parameters()}
    net.reset_parameters()
    for name, p in net.named_parameters():
        assert not torch.equal(p, before[name])
        assert p[:50].abs().max() <= 0.1
    assert torch.equal(net.bias_ih_l1_reverse[100:200], torch.ones(100))
    assert torch.equal(net.bias_hh_l1_reverse[100:200], torch.zeros(100))
    double = LSTM(I, H, device="meta", dtype=torch.float64)
    assert all(p.is_meta and p.dtype == torch.float64 for p in double.parameters())


def test_what_it_says_of_itself():
    assert repr(LSTM(3, 4, 2, dropout=0.5, peephole=True)) == (
        "LSTM(3, 4, num_layers=2, batch_first=False, dropout=0.5, peephole=True, forget_bias=None)"
    )
