"""Seq2Seq: the paper's size, padding, and decoding that equals teacher forcing."""

import pytest
import torch

from groundup.generation import beam_search, greedy
from groundup.models.recurrent_networks import Encoder, LangModel, Seq2Seq
from parity import as_list, randomise

SOURCE, TARGET, STOP = 8, 5, 2
LENGTHS = torch.tensor([4, 6, 1])


def build(**options):
    return randomise(Seq2Seq(SOURCE, TARGET, 4, 5, 2, **options)).double().eval()


def sentences():
    return torch.randint(0, SOURCE, (3, 6)), torch.randint(0, TARGET, (3, 4))


def test_the_papers_size():
    """Section 3.4: 384 million, 64 of them recurrent, 32 in each network; biases not counted."""
    with torch.device("meta"):
        model = Seq2Seq.preset("paper")
    weights = {name: p.numel() for name, p in model.named_parameters() if "bias" not in name}
    assert sum(weights.values()) == 384_000_000
    for part in ("encoder", "decoder"):
        assert sum(n for name, n in weights.items() if name.startswith(f"{part}.core")) == 32_000_000


def test_parameters_begin_in_the_papers_range():
    model = Seq2Seq(50, 50, 20, 30, 2)
    for p in model.parameters():
        assert p.abs().max() <= 0.08
        assert p.detach().std().item() == pytest.approx(0.16 / 12**0.5, rel=0.25)


@pytest.mark.parametrize("reverse", [True, False])
def test_padding_changes_nothing(reverse):
    """Random biases and a random row for the padding: each source is read alone, and turned inside its length."""
    model = build(reverse=reverse)
    source, target = sentences()
    logits = model(source, target, LENGTHS)
    for row, n in enumerate(LENGTHS.tolist()):
        alone = model(source[[row], :n], target[[row]])
        torch.testing.assert_close(logits[[row]], alone, rtol=0, atol=1e-12)
    other = torch.where(torch.arange(6) < LENGTHS[:, None], source, (source + 1) % SOURCE)
    assert torch.equal(model(other, target, LENGTHS), logits)


def test_reversing_is_inside_the_length():
    forwards = randomise(Encoder(SOURCE, 4, 5, 2, reverse=False)).double()
    backwards = randomise(Encoder(SOURCE, 4, 5, 2)).double()
    source, _ = sentences()
    turned = torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(source, LENGTHS)])
    for a, b in zip(as_list(backwards(source, LENGTHS)[1]), as_list(forwards(turned, LENGTHS)[1])):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_step_by_step_is_teacher_forced():
    model = build()
    source, target = sentences()
    expected, state = model(source, target, LENGTHS), model.begin(source, LENGTHS)
    for t in range(target.size(1)):
        logits, state = model.step(target[:, t], state)
        torch.testing.assert_close(logits, expected[:, t], rtol=0, atol=1e-12)


def test_beams():
    """Width one is greedy; the log-probability is teacher forcing's; a beam of all finds the best of all."""
    model = build()
    source, _ = sentences()
    start = torch.ones(3, dtype=torch.long)
    state = model.begin(source, LENGTHS)
    first = greedy(model.step, start, state, max_len=4, stop=STOP)
    one = beam_search(model.step, start, state, width=1, max_len=4, stop=STOP)
    assert torch.equal(one.tokens[:, 0], first.tokens)
    wide = beam_search(model.step, start, state, width=TARGET**4, max_len=4, stop=STOP)
    assert (wide.log_p[:, 0] >= one.log_p[:, 0] - 1e-12).all()
    for row in range(3):
        n = int(wide.lengths[row, 0])
        best = wide.tokens[row, 0, :n]
        told = torch.cat([start[[0]], best[:-1]])[None]
        log_p = model(source[[row]], told, LENGTHS[[row]])[0].log_softmax(-1).gather(1, best[:, None]).sum()
        torch.testing.assert_close(log_p, wide.log_p[row, 0])

    def everything(prefix):
        for token in range(TARGET):
            if token == STOP or len(prefix) == 3:
                yield [*prefix, token]
            else:
                yield from everything([*prefix, token])

    sequences = list(everything([]))
    told = torch.tensor([[1, *(s[:-1] + [0] * (4 - len(s)))] for s in sequences])
    scores = model(source[[0]].expand(len(told), -1), told, LENGTHS[[0]].expand(len(told))).detach().log_softmax(-1)
    totals = [sum(float(scores[i, t, token]) for t, token in enumerate(s)) for i, s in enumerate(sequences)]
    assert float(wide.log_p[0, 0]) == pytest.approx(max(totals), abs=1e-12)


def test_an_empty_source_is_a_zero_state():
    model = build()
    source, _ = sentences()
    h, c = model.begin(source, torch.tensor([0, 3, 2]))
    assert (h[0] == 0).all()
    assert (c[0] == 0).all()


def test_the_decoder_is_a_language_model():
    assert isinstance(build().decoder, LangModel)
