"""BahdanauAttention: the paper's size, its equations' laws, padding, and the mistakes that others made."""

import pytest
import torch

from groundup import layers as L
from groundup.generation import beam_search, greedy
from groundup.models.attention_networks import AttentionDecoder, BahdanauAttention
from parity import randomise, seeded_randn

SOURCE, TARGET, STOP = 8, 5, 2
LENGTHS = torch.tensor([4, 6, 1])


def build():
    return randomise(BahdanauAttention(SOURCE, TARGET, 3, 4, 5, 2)).double().eval()


def sentences():
    return torch.randint(0, SOURCE, (3, 6)), torch.randint(0, TARGET, (3, 4))


def test_the_papers_size():
    """n = n' = 1000, m = 620, l = 500, K = 30,000 (appendix A.2.3): 80,401,000 weights, biases not counted."""
    with torch.device("meta"):
        model = BahdanauAttention.preset("paper")
    assert sum(p.numel() for name, p in model.named_parameters() if "bias" not in name) == 80_401_000


def test_parameters_begin_as_the_paper_has_them():
    model = BahdanauAttention(50, 40, 20, 30, 25, 10)
    for name, p in model.named_parameters():
        if "bias" in name or name.endswith("attention.v"):
            assert (p == 0).all()
        elif name.endswith("weight_hh"):
            for block in p.chunk(3):
                torch.testing.assert_close(block @ block.T, torch.eye(30), rtol=0, atol=1e-5)
        else:
            assert p.detach().std().item() == pytest.approx(0.001 if ".attention." in name else 0.01, rel=0.1)


def test_alignments_are_distributions_over_real_words():
    model = build()
    _, alpha = model(*sentences(), LENGTHS, need_weights=True)
    assert alpha.shape == (3, 4, 6)
    torch.testing.assert_close(alpha.sum(-1), torch.ones(3, 4, dtype=torch.float64))
    assert (alpha[(torch.arange(6) >= LENGTHS[:, None])[:, None].expand_as(alpha)] == 0).all()
    assert (alpha[2, :, 0] == 1).all()  # a source of one word


def test_padding_changes_nothing():
    """Random biases and a random row for the padding: annotations and scores are those of each sentence alone."""
    model = build()
    source, target = sentences()
    annotations, logits = model.encoder(source, LENGTHS), model(source, target, LENGTHS)
    for row, n in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(annotations[[row], :n], model.encoder(source[[row], :n]), rtol=0, atol=1e-12)
        assert (annotations[row, n:] == 0).all()
        alone = model(source[[row], :n], target[[row]])
        torch.testing.assert_close(logits[[row]], alone, rtol=0, atol=1e-12)


def test_a_source_of_padding_alone_is_finite():
    model = build()
    source, target = sentences()
    logits = model(source, target, torch.tensor([0, 6, 0]))
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_first_state_is_of_the_backward_state_at_the_first_word():
    """The backward state enters the query and the gates through W_s; the forward state does not (trap T45)."""
    decoder = randomise(AttentionDecoder(TARGET, 3, 4, 5, 2)).double()
    h = seeded_randn(2, 6, 8)
    state = decoder.begin(h)
    torch.testing.assert_close(state.s, torch.tanh(h[:, 0, 4:] @ decoder.first.weight.T + decoder.first.bias))
    other = h.clone()
    other[:, -1] = 9
    other[:, 0, :4] = 9
    assert torch.equal(decoder.begin(other).s, state.s)


@pytest.mark.parametrize("part", ["context", "word", "state"])
def test_the_output_depends_on_context_word_and_state(part):
    decoder = randomise(AttentionDecoder(TARGET, 3, 4, 5, 2)).double()
    s, y, c = seeded_randn(1, 4), seeded_randn(1, 3, seed=5), seeded_randn(1, 8, seed=6)
    before = decoder._scores(s, y, c)
    changed = {"context": (s, y, c + 1), "word": (s, y + 1, c), "state": (s + 1, y, c)}[part]
    assert not torch.allclose(decoder._scores(*changed), before)


def test_the_update_gate_says_how_much_is_new():
    """A gate z near 0 keeps the state; Cho's and PyTorch's unit would replace it (trap T10)."""
    cell = randomise(L.GRU_cell(3, 4, reset_after=False, complement=True)).double()
    with torch.no_grad():
        cell.bias_ih[4:8] = -1000.0
    x, h = seeded_randn(2, 3), seeded_randn(2, 4, seed=5)
    assert torch.equal(cell(x, h), h)
    plain = L.GRU_cell(3, 4, reset_after=False).double()
    plain.load_state_dict(cell.state_dict())
    assert not torch.allclose(plain(x, h), h)
    with torch.no_grad():  # the two forms are one function, with the gate's parameters negated
        randomise(cell)
        for name, p in plain.named_parameters():
            p.copy_(dict(cell.named_parameters())[name])
            p[4:8] *= -1
    torch.testing.assert_close(plain(x, h), cell(x, h))


def test_step_by_step_is_teacher_forced():
    model = build()
    source, target = sentences()
    expected, state = model(source, target, LENGTHS), model.begin(source, LENGTHS)
    for t in range(target.size(1)):
        logits, state = model.step(target[:, t], state)
        torch.testing.assert_close(logits, expected[:, t], rtol=0, atol=1e-12)


def test_beams():
    model = build()
    source, _ = sentences()
    start, state = torch.ones(3, dtype=torch.long), model.begin(source, LENGTHS)
    first = greedy(model.step, start, state, max_len=5, stop=STOP)
    one = beam_search(model.step, start, state, width=1, max_len=5, stop=STOP)
    assert torch.equal(one.tokens[:, 0], first.tokens)
    wide = beam_search(model.step, start, state, width=TARGET**4, max_len=5, stop=STOP)
    assert (wide.log_p[:, 0] >= first.log_p - 1e-12).all()
    for row in range(3):
        best = wide.tokens[row, 0, : int(wide.lengths[row, 0])]
        told = torch.cat([start[[0]], best[:-1]])[None]
        log_p = model(source[[row]], told, LENGTHS[[row]])[0].log_softmax(-1).gather(1, best[:, None]).sum()
        torch.testing.assert_close(log_p, wide.log_p[row, 0])
