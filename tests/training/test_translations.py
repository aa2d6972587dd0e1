"""Translations are scored as the paper of BLEU counts, by the best weights, and kept; short and long apart."""

import sys
from collections import Counter
from math import exp, log

import pytest
import torch

from groundup.data import BucketLoader, ParallelText, WordTokenizer
from groundup.models.recurrent_networks import Seq2Seq
from groundup.optimizers import Adam
from groundup.training import (
    Trainer,
    Translations,
    bleu,
    compare_lengths,
    load_best,
    perplexity,
    score_translations,
    translate,
    translation,
)

FOUND = ["A dog runs over the green green grass .", "two men sit on a bench", "a girl"]
WANTED = ["a dog runs across the green grass .", "Two men sit on a red bench", "a girl sings"]


def counted(found, wanted):
    """Equations of Papineni et al. 2002, section 2.3, for texts of words between spaces."""
    words = [(f.lower().split(), w.lower().split()) for f, w in zip(found, wanted)]
    precisions = []
    for n in range(1, 5):
        right = total = 0
        for f, w in words:
            ours, theirs = (Counter(tuple(s[i : i + n]) for i in range(len(s) - n + 1)) for s in (f, w))
            right, total = right + (ours & theirs).total(), total + ours.total()
        precisions.append(right / total)
    c, r = (sum(len(pair[side]) for pair in words) for side in (0, 1))
    return 100 * min(1, exp(1 - r / c)) * exp(sum(log(p) for p in precisions) / 4)


def test_bleu_is_counted_as_in_its_paper():
    score, signature = bleu(FOUND, WANTED)
    assert 20 < score < 80
    assert score == pytest.approx(counted(FOUND, WANTED))
    assert score == bleu([f.upper() for f in FOUND], WANTED).score  # capitals are nothing
    assert bleu(WANTED, WANTED).score == pytest.approx(100)
    assert bleu(["a man, that sits."], ["a man , that sits ."]).score == pytest.approx(
        100
    )  # signs are words of their own
    assert "case:lc" in signature
    assert "tok:13a" in signature


@pytest.mark.usefixtures("untyped")
def test_what_bleu_refuses(monkeypatch):
    for found, wanted in ((["a"], ["a", "b"]), ([], [])):
        with pytest.raises(ValueError, match="found must be a text for each of the references, at least one"):
            bleu(found, wanted)
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ImportError, match=r"counted by sacrebleu: pip install 'groundup\[train\]'"):
        bleu(FOUND, WANTED)


def test_short_and_long_sentences_apart():
    """Of these, the short are right and the long are wrong; the two of one length are not parted."""
    lengths = [9, 4, 5, 5, 20, 8, 21, 4]
    sources = ["w " * n for n in lengths]
    references = ["one two three four five" for _ in lengths]
    made = Translations(sources, references, [r if n < 9 else "six" for n, r in zip(lengths, references)])
    assert [length for length, _ in made.bleu_by_length(4)] == [4, 5, 8.5, 20.5]
    scores = [score for _, score in made.bleu_by_length(4)]
    assert scores[:2] == pytest.approx([100, 100])
    assert 0 < scores[2] < 90
    assert scores[3] < 1
    assert made.exact == 5 / 8
    assert str(made).startswith(f"BLEU {made.bleu.score:.2f} (nrefs:1|")
    assert str(made).endswith("), 62.5 % of 8 unseen right to the letter")
    ((mean, whole),) = made.bleu_by_length(1)
    assert (mean, whole) == (sum(lengths) / 8, made.bleu.score)
    assert len(Translations(["a"] * 9, ["a"] * 9, ["a"] * 9).bleu_by_length(3)) == 1


@pytest.fixture
def trained(tmp_path):
    """run(name) → (model, text), trained for a few steps."""
    pairs = [(f"{a} {b} {c}", f"{c} {b} {a}.") for a in "pqr" for b in "stu" for c in "vwx"]
    words = [WordTokenizer.of(pair[side] for pair in pairs) for side in (0, 1)]
    text = ParallelText(pairs, *words)

    def run(name, seed=0):
        torch.manual_seed(seed)
        model = Seq2Seq(len(words[0]), len(words[1]), 8, 16, 1)
        optimizer = Adam(model.parameters(), lr=0.03)
        options = {"evaluate": perplexity(BucketLoader(text, 9), translation), "monitor": "loss", "mode": "min"}
        Trainer(
            model, optimizer, translation, BucketLoader(text, 9), run_dir=tmp_path / name, steps=200, progress=False,
            device="cpu", **options,
        ).fit()  # fmt: skip
        return model, text

    return run


def test_the_best_weights_translate_and_all_is_kept(trained, tmp_path, capsys):
    model, text = trained("first")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    made = score_translations(model, text, tmp_path / "first", width=2, max_len=8)
    load_best(model, tmp_path / "first")
    assert made.found == translate(model, text, width=2, max_len=8)
    assert len(set(made.found)) > 3
    assert Translations.read(tmp_path / "first") == made
    assert (made.sources, made.references) == ([s for s, _ in text.pairs], [t for _, t in text.pairs])
    assert (tmp_path / "first" / "lengths.png").is_file()
    assert capsys.readouterr().out.count(" → ") == 5
    few = score_translations(model, text, tmp_path / "first", max_len=8, first=4, shown=0)
    assert len(few.found) == 4


def test_the_picture_is_of_all_runs_on_the_same_sentences(tmp_path, monkeypatch):
    import groundup.plots

    sources, references = ["a b", "a b c"], ["one two three four", "one two three four five"]
    for name, found in (("plain", ["one", "one"]), ("looking", references)):
        (tmp_path / name).mkdir()
        Translations(sources, references, found).write(tmp_path / name)
    (tmp_path / "other").mkdir()
    Translations(["ä"], ["a"], ["a"]).write(tmp_path / "other")
    drawn = []
    monkeypatch.setattr(groundup.plots, "scores_by_length", lambda runs, path, title: drawn.append((runs, path)))
    compare_lengths(tmp_path / "plain", bins=2)
    ((runs, path),) = drawn
    assert list(runs) == ["plain", "looking"]
    assert [length for length, _ in runs["looking"]] == [2, 3]
    assert [score for _, score in runs["looking"]] == pytest.approx([100, 100])
    assert path == tmp_path / "plain" / "lengths.png"
    with pytest.raises(ValueError, match=r"holds no translations\.json"):
        compare_lengths(tmp_path)
