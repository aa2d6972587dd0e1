"""What the sweep cannot say of recurrence: lengths, directions, carried states, how cells begin, and their laws."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from groundup import UnsupportedCall, backend
from groundup import functional as G
from groundup import layers as L
from parity import as_list, assert_same, randomise, run, seeded_randn
from rows.oracles.recurrent import SequenceOracle

I, H, B, T = 3, 4, 4, 6
LENGTHS = torch.tensor([4, 6, 1, 3])
CELLS = {
    "RNN": (lambda **o: L.RNN_cell(I, H, **o), nn.RNN, nn.RNNCell),
    "LSTM": (lambda **o: L.LSTM_cell(I, H, **o), nn.LSTM, nn.LSTMCell),
    "GRU": (lambda **o: L.GRU_cell(I, H, **o), nn.GRU, nn.GRUCell),
}
VARIANTS = {
    **{name: cell for name, (cell, _, _) in CELLS.items()},
    "layer norm": lambda: L.RNN_cell(I, H, layer_norm=True),
    "peephole": lambda: L.LSTM_cell(I, H, peephole=True),
    "reset before": lambda: L.GRU_cell(I, H, reset_after=False),
}
MODES = pytest.mark.parametrize("mode", ["reference", "auto"])
DIRECTIONS = pytest.mark.parametrize("reverse", [False, True])
EVERY_CELL = pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS)


def sequences():
    return seeded_randn(B, T, I)


def states(cell):
    made = tuple(seeded_randn(B, H, seed=20 + i) for i in range(len(cell.state_names)))
    return made if len(made) > 1 else made[0]


def build(make, reverse=False):
    return randomise(L.RNN(make(), reverse)).double()


# ---- lengths and directions ---------------------------------------------------------------------------------------


@MODES
@DIRECTIONS
@pytest.mark.parametrize("name", CELLS)
def test_packed_sequences(name, reverse, mode):
    """Equal to pack_padded_sequence in both directions: PyTorch's backward half of a bidirectional layer is ours."""
    make, theirs, _ = CELLS[name]
    net = build(make, reverse)
    peer = theirs(I, H, batch_first=True, bidirectional=True).double()
    suffix = "l0_reverse" if reverse else "l0"
    for key, value in net.cell.state_dict().items():
        getattr(peer, f"{key}_{suffix}").data.copy_(value)
    x, begin = sequences(), states(net.cell)
    twice = [torch.stack([s, s]) for s in as_list(begin)]  # both directions begin alike
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    y, last = peer(packed, tuple(twice) if len(twice) > 1 else twice[0])
    expected = pad_packed_sequence(y, batch_first=True, total_length=T)[0].chunk(2, -1)[reverse]
    with backend(mode):
        output, final = net(x, begin, LENGTHS)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    for a, b in zip(as_list(final), as_list(last)):
        torch.testing.assert_close(a, b[int(reverse)], rtol=0, atol=1e-12)


@MODES
@DIRECTIONS
@pytest.mark.parametrize("name", CELLS)
def test_any_lengths_with_their_gradients(name, reverse, mode):
    """Sequences of length 0 and T among others: outputs, states and all gradients are those of each one alone."""
    make = CELLS[name][0]
    ours, oracle = build(make, reverse), SequenceOracle(make(), reverse).double()
    oracle.load_state_dict(ours.state_dict())
    count = len(ours.cell.state_names)

    def with_lengths(module, lengths):
        return lambda x, *s: module(x, tuple(s) if count > 1 else s[0], lengths)

    inputs = [sequences(), *as_list(states(ours.cell))]
    for lengths in (None, LENGTHS, torch.tensor([0, 6, 2, 0]), torch.tensor([0, 0, 0, 0], dtype=torch.int32)):
        with backend(mode):
            actual = run(with_lengths(ours, lengths), inputs, ours)
        expected = run(with_lengths(oracle, lengths), inputs, oracle)
        for part in (expected.parameter_grads, actual.parameter_grads):  # none where no sequence has a step
            part.update({n: torch.zeros_like(oracle.get_parameter(n)) for n, g in part.items() if g is None})
        expected.input_grads = [torch.zeros_like(v) if g is None else g for g, v in zip(expected.input_grads, inputs)]
        assert_same(actual, expected, torch.float64, f"{lengths}: ", 1e-11)


@MODES
@DIRECTIONS
@EVERY_CELL
def test_padding_touches_nothing(make, reverse, mode):
    """NaN in the padding reaches no output, state or gradient; its own gradient and the output over it are zero."""
    net, begin = build(make, reverse), states(make())
    padding = torch.arange(T) >= LENGTHS[:, None]
    x = sequences()
    poisoned = torch.where(padding[..., None], torch.nan, x)

    def called(sequence):
        return net(sequence, begin, LENGTHS)

    with backend(mode):
        clean, dirty = run(called, [x], net), run(called, [poisoned], net)
    assert_same(dirty, clean, torch.float64, tolerance=0)
    assert (dirty.outputs[0][padding] == 0).all()
    assert (dirty.input_grads[0][padding] == 0).all()


@MODES
@EVERY_CELL
def test_the_final_state_ends_the_output(make, mode):
    """z[:, -1] forwards, z[:, 0] backwards; with lengths, the last real one."""
    x = sequences()
    with backend(mode):
        for reverse in (False, True):
            output, final = build(make, reverse)(x)
            assert torch.equal(as_list(final)[0], output[:, 0 if reverse else -1])
            output, final = build(make, reverse)(x, lengths=LENGTHS)
            at_end = output[:, 0] if reverse else output[torch.arange(B), LENGTHS - 1]
            assert torch.equal(as_list(final)[0], at_end)


@MODES
@EVERY_CELL
def test_backwards_is_forwards_on_the_flipped(make, mode):
    x = sequences()
    with backend(mode):
        output, final = build(make, True)(x)
        flipped, other = build(make, False)(x.flip(1))
    torch.testing.assert_close((output, final), (flipped.flip(1), other), rtol=0, atol=0)


@MODES
@DIRECTIONS
@EVERY_CELL
def test_a_sequence_may_be_cut_and_the_state_carried(make, reverse, mode):
    net, x = build(make, reverse), sequences()
    first, second = (x[:, 2:], x[:, :2]) if reverse else (x[:, :2], x[:, 2:])
    with backend(mode):
        whole, final = net(x)
        a, carried = net(first)
        b, end = net(second, carried)
    torch.testing.assert_close(torch.cat([b, a] if reverse else [a, b], 1), whole, rtol=0, atol=1e-14)
    torch.testing.assert_close(end, final, rtol=0, atol=1e-14)


@DIRECTIONS
@EVERY_CELL
def test_hoisting_the_input_product_changes_nothing(make, reverse):
    """The sequence functions are the cell, step by step."""
    net, x = build(make, reverse), sequences()
    for lengths in (None, LENGTHS):
        begin = net.cell.begin(x, states(net.cell))
        expected = L.RecurrentCell.unroll(net.cell, x, begin, lengths, reverse)
        with backend("reference"):
            torch.testing.assert_close(net.cell.unroll(x, begin, lengths, reverse), expected, rtol=0, atol=1e-12)


@MODES
@EVERY_CELL
def test_empty_sequences_and_batches(make, mode):
    net = build(make)
    begin = states(net.cell)
    with backend(mode):
        output, final = net(torch.zeros(B, 0, I, dtype=torch.float64), begin)
        assert output.shape == (B, 0, H)
        torch.testing.assert_close(final, begin, rtol=0, atol=0)
        for lengths in (None, torch.zeros(0, dtype=torch.int64)):
            output, final = net(torch.zeros(0, T, I, dtype=torch.float64), lengths=lengths)
            assert output.shape == (0, T, H)
            assert all(s.shape == (0, H) for s in as_list(final))


@MODES
@EVERY_CELL
def test_the_default_state_is_zero_and_follows_the_input(make, mode):
    """`net(x)` works with no state, and doubles stay doubles, whatever the default type is."""
    net, x = build(make), sequences()
    zeros = tuple(torch.zeros(B, H, dtype=torch.float64) for _ in net.cell.state_names)
    with backend(mode):
        output, final = net(x)
        same, _ = net(x, zeros if len(zeros) > 1 else zeros[0])
    assert torch.equal(output, same)
    assert {t.dtype for t in (output, *as_list(final))} == {torch.float64}


class LeakyCell(L.RecurrentCell):
    """h' = h / 2 + W x: a cell as the base class's docstring asks for it."""

    def step(self, x, states):
        return (states[0] / 2 + x @ self.weight_ih.T,)


@DIRECTIONS
def test_a_cell_of_ones_own(reverse):
    """It decays by half a step, inside its length: h_t = Σ_s W x_s / 2^(t-s)."""
    cell = LeakyCell(I, H, bias=False)
    cell.reset_parameters()
    x = seeded_randn(B, T, I, dtype=torch.float32)
    output, final = L.RNN(cell, reverse)(x, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS.tolist()):
        t = torch.arange(length)
        age = (t - t[:, None] if reverse else t[:, None] - t).float()
        decay = torch.where(age >= 0, torch.exp2(-age), 0)
        expected = decay @ x[b, :length] @ cell.weight_ih.T
        torch.testing.assert_close(output[b, :length], expected)
        torch.testing.assert_close(final[b], expected[0 if reverse else -1])
    assert cell(x[:, 0]).shape == (B, H)


# ---- cells --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_drop_ins(name):
    """Same start for the same seed, strict loading both ways, states given, and a single sample without a batch."""
    make, _, theirs = CELLS[name]
    for bias in (True, False):
        torch.manual_seed(1)
        ours = make(bias=bias)
        torch.manual_seed(1)
        peer = theirs(I, H, bias)
        torch.testing.assert_close(dict(ours.state_dict()), dict(peer.state_dict()), rtol=0, atol=0)
        ours.load_state_dict(randomise(peer).state_dict(), strict=True)
        peer.load_state_dict(ours.state_dict(), strict=True)
        ours, peer = ours.double(), peer.double()
        for mode in ("reference", "auto"):
            with backend(mode):
                for x, state in ((sequences()[:, 0], states(ours)), (sequences()[0, 0], None)):
                    torch.testing.assert_close(ours(x, state), peer(x, state), rtol=0, atol=1e-12)
                one = tuple(s[0] for s in as_list(states(ours)))
                one = one if len(one) > 1 else one[0]
                torch.testing.assert_close(
                    ours(sequences()[0, 0], one), peer(sequences()[0, 0], one), rtol=0, atol=1e-12
                )


def test_parameter_counts():
    """4h(i + h + 2) with PyTorch's two biases; peepholes add 3h; layer normalisation 2h."""

    def count(cell):
        return sum(p.numel() for p in cell.parameters())

    assert count(L.LSTM_cell(I, H)) == 4 * H * (I + H + 2)
    assert count(L.LSTM_cell(I, H, peephole=True)) - count(L.LSTM_cell(I, H)) == 3 * H
    assert count(L.GRU_cell(I, H, bias=False)) == 3 * H * (I + H)
    assert count(L.RNN_cell(I, H, layer_norm=True)) - count(L.RNN_cell(I, H)) == 2 * H


@MODES
def test_an_lstm_of_zeros_learns(mode):
    """At zero, i = o = 1/2 and tanh' = 1: the candidate's bias gets a gradient, c' = i g and h' = o c'."""
    cell = L.LSTM_cell(I, H).double()
    for p in cell.parameters():
        nn.init.zeros_(p)
    with backend(mode):
        h, c = cell(sequences()[:, 0])
        (h.sum() + c.sum()).backward()
    expected = torch.zeros(4 * H, dtype=torch.float64)
    expected[2 * H : 3 * H] = B * (0.5 + 0.5 * 0.5)
    torch.testing.assert_close(cell.bias_ih.grad, expected, rtol=0, atol=1e-14)


def test_the_forget_bias():
    """Its two halves add up to the value; every other bias begins as without it."""
    torch.manual_seed(1)
    cell = L.LSTM_cell(I, H, forget_bias=1.0)
    torch.manual_seed(1)
    plain = L.LSTM_cell(I, H)
    forget = slice(H, 2 * H)
    assert (cell.bias_ih + cell.bias_hh)[forget].tolist() == [1.0] * H
    cell.bias_ih.data[forget], cell.bias_hh.data[forget] = plain.bias_ih.data[forget], plain.bias_hh.data[forget]
    torch.testing.assert_close(dict(cell.state_dict()), dict(plain.state_dict()), rtol=0, atol=0)
    assert "forget_bias=1.0" in repr(L.LSTM_cell(I, H, forget_bias=1.0))


@MODES
def test_an_open_forget_gate_keeps_the_memory(mode):
    """f = 1 and i = 0 for a hundred steps: c stays what it is."""
    cell = L.LSTM_cell(I, H).double()
    for p in cell.parameters():
        nn.init.zeros_(p)
    cell.bias_ih.data[:H], cell.bias_ih.data[H : 2 * H] = -1e3, 1e3
    c = seeded_randn(B, H)
    with backend(mode):
        _, (_, last) = L.RNN(cell)(seeded_randn(B, 100, I), (torch.zeros_like(c), c))
    assert torch.equal(last, c)


@MODES
def test_peepholes_look_where_the_equations_say(mode):
    """w_cf (and w_ci) see the old memory, w_co the new one; the candidate is tanh(1), all other sums are zero."""
    w, zero = torch.zeros(4, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    none, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    b_ih, b_hh = torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    c, candidate = torch.full((1, 1), 2.0, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64).tanh()
    with backend(mode):
        _, new = G.lstm_step(zero, zero, c, w, w, b_ih, b_hh, none, one, none)
        torch.testing.assert_close(new, torch.sigmoid(c) * c + candidate / 2)
        _, new = G.lstm_step(zero, zero, c, w, w, b_ih, b_hh, one, none, none)
        torch.testing.assert_close(new, c / 2 + torch.sigmoid(c) * candidate)
        h, new = G.lstm_step(zero, zero, c, w, w, b_ih, b_hh, none, none, one)
        torch.testing.assert_close(h, torch.sigmoid(new) * torch.tanh(new))


def test_the_two_resets_agree_where_u_is_diagonal_and_has_no_bias():
    after, before = L.GRU_cell(I, H).double(), L.GRU_cell(I, H, reset_after=False).double()
    randomise(after)
    x, h = sequences()[:, 0], seeded_randn(B, H, seed=9)
    before.load_state_dict(after.state_dict())
    assert (after(x, h) - before(x, h)).abs().max() > 0.05
    after.weight_hh.data[2 * H :] = torch.diag(seeded_randn(H))
    after.bias_hh.data[2 * H :] = 0
    before.load_state_dict(after.state_dict())
    torch.testing.assert_close(after(x, h), before(x, h), rtol=0, atol=1e-14)


@pytest.mark.parametrize("reset_after", [True, False])
def test_an_update_gate_of_one_keeps_the_state(reset_after):
    """h' = z h + (1 - z) h̃: Cho's and PyTorch's z, the complement of Bahdanau's."""
    cell = randomise(L.GRU_cell(I, H, reset_after=reset_after)).double()
    cell.bias_ih.data[H : 2 * H] = 1e3
    h = seeded_randn(B, H)
    for mode in ("reference", "auto"):
        with backend(mode):
            torch.testing.assert_close(cell(sequences()[:, 0], h), h, rtol=0, atol=1e-14)


# ---- backends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: L.RNN_cell(I, H, layer_norm=True), "layer normalisation"),
        (lambda: L.LSTM_cell(I, H, peephole=True), "peepholes"),
        (lambda: L.GRU_cell(I, H, reset_after=False), "reset_after=False"),
    ],
)
def test_what_the_kernels_refuse(make, reason):
    for call in (lambda: make()(torch.ones(2, I)), lambda: L.RNN(make())(torch.ones(2, T, I))):
        with backend("fused"), pytest.raises(UnsupportedCall, match=reason):
            call()


def test_kernels_take_lengths_but_not_of_zero():
    net, x = L.RNN(L.GRU_cell(I, H)), torch.ones(2, T, I)
    with backend("fused"):
        net(x, lengths=torch.tensor([T, 1]))
        for call in (lambda: net(x, lengths=torch.tensor([T, 0])), lambda: net(x[:, :0])):
            with pytest.raises(UnsupportedCall, match="an empty sequence"):
                call()


@pytest.mark.body("auto")
@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(("name", "reverse"), list(itertools.product(CELLS, (False, True))))
def test_lengths_compile_and_export(name, reverse):
    """Lengths that are not known while tracing: one graph serves them all."""
    net = L.RNN(CELLS[name][0](), reverse)
    x, lengths, others = torch.randn(B, T, I), LENGTHS, LENGTHS.flip(0)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    exported = torch.export.export(net, (x,), {"lengths": lengths}).module()
    for values in (lengths, others):
        for traced in (compiled, exported):
            torch.testing.assert_close(traced(x, lengths=values), net(x, lengths=values), rtol=1e-5, atol=1e-5)


def test_what_they_print():
    assert "RNN_cell(3, 4, nonlinearity=relu)" in repr(L.RNN(L.RNN_cell(I, H, nonlinearity="relu"), reverse=True))
    assert repr(L.LSTM_cell(I, H, False, peephole=True)) == "LSTM_cell(3, 4, bias=False, peephole=True)"
    assert repr(L.GRU_cell(I, H, reset_after=False)) == "GRU_cell(3, 4, reset_after=False)"
    assert "layer_norm=True" in repr(L.RNN_cell(I, H, layer_norm=True))
