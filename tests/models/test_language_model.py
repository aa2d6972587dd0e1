"""LangModel: what is decoded step by step is what the whole pass says; the future changes nothing."""

import pytest
import torch

from groundup.generation import beam_search, generate, greedy, sample
from groundup.models.recurrent_networks import GRU, LSTM, LangModel, SimpleRNN
from parity import as_list, randomise

V = 7
CORES = {
    "SimpleRNN": lambda: SimpleRNN(5, 6, 2, batch_first=True),
    "LSTM": lambda: LSTM(5, 6, 2, batch_first=True),
    "GRU, time first": lambda: GRU(5, 6, 3),
}
EVERY_CORE = pytest.mark.parametrize("core", CORES.values(), ids=CORES)


def build(core, **options):
    return randomise(LangModel(V, core(), **options)).double().eval()


def tokens(*shape):
    return torch.randint(0, V, shape)


@EVERY_CORE
def test_step_by_step_is_the_whole_pass(core):
    model, x = build(core), tokens(3, 8)
    whole, last = model(x)
    state = None
    for t in range(8):
        logits, state = model.step(x[:, t], state)
        torch.testing.assert_close(logits, whole[:, t], rtol=0, atol=1e-12)
    for a, b in zip(state, as_list(last)):
        torch.testing.assert_close(a, b.transpose(0, 1), rtol=0, atol=1e-12)


@EVERY_CORE
def test_reading_a_prompt_then_decoding(core):
    """The sampled state equals that of a full pass; prompts of different lengths do not touch."""
    model, prompt = build(core), tokens(3, 6)
    start, state = model.read(prompt)
    found = greedy(model.step, start, state, max_len=5).tokens
    text = prompt
    for _ in range(5):  # no state at all: everything anew for each token
        text = torch.cat([text, model(text)[0][:, -1].argmax(-1)[:, None]], 1)
    assert torch.equal(text[:, 6:], found)

    lengths = torch.tensor([6, 1, 3])
    ragged = greedy(model.step, *model.read(prompt, lengths), max_len=5).tokens
    for row, n in enumerate(lengths.tolist()):
        alone = greedy(model.step, *model.read(prompt[[row], :n]), max_len=5).tokens
        assert torch.equal(alone[0], ragged[row])


@EVERY_CORE
def test_cold_sampling_and_a_beam_of_one_are_greedy(core):
    model = build(core)
    start, state = model.read(tokens(3, 4))
    expected = greedy(model.step, start, state, max_len=6, stop=0)
    cold = sample(model.step, start, state, max_len=6, stop=0, temperature=1e-5)
    assert torch.equal(cold.tokens, expected.tokens)
    beam = beam_search(model.step, start, state, width=1, max_len=6, stop=0)
    assert torch.equal(beam.tokens[:, 0], expected.tokens)
    wide = beam_search(model.step, start, state, width=40, max_len=6, stop=0)
    assert (wide.log_p[:, 0] >= expected.log_p - 1e-12).all()


@EVERY_CORE
def test_the_future_changes_nothing(core):
    model, x = build(core), tokens(2, 8)
    other = x.clone()
    other[:, 5:] = (x[:, 5:] + 1) % V
    assert torch.equal(model(x)[0][:, :5], model(other)[0][:, :5])


def test_both_ways_sees_the_future_and_may_not_decode():
    model = build(lambda: GRU(5, 6, bidirectional=True, batch_first=True))
    x = tokens(1, 4)
    other = x.clone()
    other[:, 3] = (x[:, 3] + 1) % V
    assert not torch.allclose(model(x)[0][:, 0], model(other)[0][:, 0])
    for call in (lambda: model.step(x[:, 0], None), lambda: model.read(x)):
        with pytest.raises(ValueError, match=r"core runs both ways.*it cannot decode"):
            call()


def test_a_core_that_was_given_is_left_as_it_is():
    core = randomise(LSTM(5, 5))
    before = {name: p.clone() for name, p in core.named_parameters()}
    model = LangModel(V, core, tied=True)
    assert all(torch.equal(p, before[name]) for name, p in core.named_parameters())
    assert model.head.weight is model.embedding.weight
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in core.parameters()) + V * 5 + V
    assert model.head.weight.abs().max() <= 5**-0.5


def test_a_tied_table_gets_the_gradient_of_both_its_uses():
    model = build(lambda: LSTM(5, 5, batch_first=True), tied=True)
    x = tokens(2, 6)
    model(x)[0].logsumexp(-1).sum().backward()
    tied = model.embedding.weight.grad
    apart = build(lambda: LSTM(5, 5, batch_first=True))
    apart.load_state_dict(model.state_dict())
    apart(x)[0].logsumexp(-1).sum().backward()
    torch.testing.assert_close(tied, apart.embedding.weight.grad + apart.head.weight.grad)


def test_dropout_below_and_above_the_core():
    model = LangModel(V, LSTM(5, 6, batch_first=True), dropout=1.0)
    logits, _ = model(tokens(2, 4))
    assert torch.equal(logits, model.head.bias.expand(2, 4, V))
    assert not torch.equal(model.eval()(tokens(2, 4))[0], logits)


# ---- saved, and asked from prompts -----------------------------------------------------------------------------------

SAVED = CORES | {
    "both ways": lambda: LSTM(5, 6, bidirectional=True, batch_first=True),
    "peepholes": lambda: LSTM(5, 6, peephole=True, forget_bias=1.0, dropout=0.1, num_layers=2),
    "relu, normalised": lambda: SimpleRNN(5, 6, nonlinearity="relu", layer_norm=True),
    "reset before": lambda: GRU(5, 6, bias=False, reset_after=False, reverse=True),
}


@pytest.mark.parametrize("core", SAVED.values(), ids=SAVED)
def test_a_saved_model_is_built_again(core, tmp_path):
    model, x = build(core).float(), tokens(2, 5)
    model.save_pretrained(tmp_path / "a")
    again = LangModel.from_pretrained(tmp_path / "a")
    assert torch.equal(again(x)[0], model(x)[0])
    assert again.core.arguments() == model.core.arguments()
    again.save_pretrained(tmp_path / "b")
    assert (tmp_path / "a" / "config.json").read_text() == (tmp_path / "b" / "config.json").read_text()


@pytest.mark.parametrize("options", [{"one_hot": True}, {"tied": True}])
def test_a_saved_model_keeps_its_options(options, tmp_path):
    model = randomise(LangModel(V, LSTM(V if "one_hot" in options else 6, 6, batch_first=True), **options)).eval()
    model.save_pretrained(tmp_path)
    again, x = LangModel.from_pretrained(tmp_path), tokens(2, 5)
    assert torch.equal(again(x)[0], model(x)[0])


def test_a_core_of_ones_own_is_not_saved_as_another(tmp_path):
    class Twice(LSTM):
        def forward(self, x, state=None, lengths=None):
            return super().forward(2 * x, state, lengths)

    with pytest.raises(ValueError, match=r"core is a Twice, whose forward config.json cannot hold"):
        LangModel(V, Twice(5, 6, batch_first=True)).save_pretrained(tmp_path / "x")
    assert not (tmp_path / "x").exists()


@EVERY_CORE
@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"width": 3, "stop": 4}, {"temperature": 0.0, "repetition_penalty": 1.5}]
)
def test_prompts_together_are_prompts_alone(core, options):
    model, prompts = build(core), [[3, 4, 5, 6], [1], [5, 5, 0]]
    together = generate(model, prompts, max_new_tokens=6, **options)
    for row, prompt in enumerate(prompts):
        alone = generate(model, [prompt], max_new_tokens=6, **options)
        n = int(alone.lengths[0])
        assert together.tokens[row, :n].tolist() == alone.tokens[0, :n].tolist()
        torch.testing.assert_close(together.log_p[row], alone.log_p[0])
    if options == {"temperature": 0.0}:
        start, state = model.read(torch.tensor(prompts[:1]))
        assert torch.equal(greedy(model.step, start, state, max_len=6).tokens[0], together.tokens[0])
