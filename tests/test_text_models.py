"""Every text training ends with a folder, and the command that it prints gives the same answer as the training did."""

import re
import shlex
import shutil
import sys

import pytest
import torch

from commands import ROOT, module_of
from groundup import cli
from groundup.data import (
    PAD,
    BytePairTokenizer,
    CharacterTokenizer,
    ParallelText,
    WordTokenizer,
    python_reference,
    write_vectors,
)
from groundup.generation import beam_search
from groundup.models.attention_networks import BahdanauAttention
from groundup.models.recurrent_networks import GRU, LSTM, LangModel, Seq2Seq
from groundup.models.transformer_networks import GPT2, Transformer
from groundup.tools.text import (
    encode,
    fill,
    load,
    load_translator,
    quote,
    save,
    save_and_write,
    save_translator,
    similar,
    translate_sentences,
    write,
)
from groundup.training import translate
from parity import randomise

PAIRS = [(f"{a} {b}", f"{b.upper()} {a.upper()}") for a in ("one", "two", "six") for b in ("cat", "dog", "owl", "cow")]


def command(monkeypatch, capsys, *words):
    """(what is printed, what goes to stderr, the exit code) of a command, in this process."""
    monkeypatch.setattr(sys, "argv", list(words))
    capsys.readouterr()
    code = 0
    try:
        cli.main()
    except SystemExit as left:
        code = left.code
    said = capsys.readouterr()
    return said.out, said.err, code


def train(monkeypatch, capsys, folder, name, *flags):
    """What an example prints that runs in `folder`, and the command that it prints for the saved model."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [name, *flags])
    module_of(ROOT / "examples" / name).main()
    out = capsys.readouterr().out
    found = re.search(r"^.*(groundup (?:generate|translate|fill|similar) .*)$", out, re.MULTILINE)
    return out, shlex.split(found.group(1))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A text of 2,000 characters and 60 pairs of one's own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.txt").write_text(python_reference()[20_000:22_000], encoding="utf-8")
    (folder / "more.txt").write_text(python_reference()[30_000:30_300], encoding="utf-8")
    (folder / "own.csv").write_text("source,target\n" + "".join(f'"{a}",{b}\n' for a, b in PAIRS * 5), encoding="utf-8")
    return folder


TINY_GPT = ("--embed-dim", "16", "--num-layers", "1", "--num-heads", "2", "--context", "16")
WRITERS = {
    "transformer/char_gpt.py": TINY_GPT,
    "transformer/gpt_bpe.py": (*TINY_GPT, "--vocab-size", "400", "--validation", "more.txt"),
    "recurrent/char_language_model.py": ("--hidden-size", "16", "--seed", "3", "--validation", "more.txt"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_written_in_training_is_written_again(name, own, monkeypatch, capsys):
    flags = ("--data", "own.txt", "--run-dir", f"{name.split('/')[1]} 1", "--smoke")
    out, words = train(monkeypatch, capsys, own, name, *flags, *WRITERS[name])
    again, err, code = command(monkeypatch, capsys, *words)
    assert (err, code) == ("", 0)
    assert len(again) > 10
    assert again in out
    other, _, _ = command(monkeypatch, capsys, *words, "--seed", "7")
    assert other not in out


TRANSLATORS = {
    "transformer/translation.py": ("--d-model", "16", "--nhead", "2", "--num-layers", "1", "--batch-size", "16"),
    "recurrent/seq2seq.py": ("--embedding-dim", "8", "--hidden-size", "16"),
    "attention/bahdanau_translation.py": ("--embedding-dim", "8", "--hidden-size", "16", "--byte-pairs", "300"),
}


@pytest.mark.parametrize("name", TRANSLATORS)
def test_what_was_translated_in_training_is_translated_again(name, own, monkeypatch, capsys):
    flags = ("--data", "own.csv", "--run-dir", name.split("/")[1], "--epochs", "6", "--beam", "3")
    out, words = train(monkeypatch, capsys, own, name, *flags, *TRANSLATORS[name])
    assert "--beam" in words
    again, err, code = command(monkeypatch, capsys, *words)
    assert (err, code) == ("", 0)
    said = re.search(rf"^{re.escape(words[2])} → (.*?)(?: \(wanted: .*\))?$", out, re.MULTILINE)
    assert again == f"{said.group(1)}\n"
    assert "expected" in out
    assert "by looking up the most similar sentence" in out


def test_gaps_filled_in_training_are_filled_again(own, monkeypatch, capsys):
    flags = ("--data", "own.txt", "--min-count", "2", "--epochs", "1", "--run-dir", "masked")
    out, words = train(monkeypatch, capsys, own, "recurrent/masked_words.py", *flags)
    again, err, code = command(monkeypatch, capsys, *words, "--top", "3")
    assert (err, code) == ("", 0)
    *_, last = re.findall(r"___: (.*) · the author", out)
    assert [line.split()[-1] for line in again.splitlines()] == re.findall(r"(\S+) \d+ %", last)


def test_similar_words_of_training_are_similar_again(own, monkeypatch, capsys):
    flags = ("--data", "own.txt", "--dim", "8", "--min-count", "3", "--epochs", "2", "--run-dir", "vectors")
    out, words = train(monkeypatch, capsys, own, "recurrent/word2vec.py", *flags)
    again, err, code = command(monkeypatch, capsys, *words, "--top", "6")
    assert (err, code) == ("", 0)
    assert again in out


def test_the_generate_example_learns_and_saves_a_text(own, monkeypatch, capsys):
    out, words = train(monkeypatch, capsys, own, "transformer/generate.py", "--data", "own.txt", "--smoke")
    assert "agree on 10 of 10 tokens" in out
    monkeypatch.setattr(sys, "argv", ["maps", "--model", words[4], "--text", "the", "--run-dir", "maps"])
    module_of(ROOT / "examples" / "transformer" / "attention_maps.py").main()
    assert "4 layers of 4 heads" in capsys.readouterr().out
    out, _ = train(monkeypatch, capsys, own, "transformer/generate.py", "--model", words[4], "--smoke", "--prompt", "a")
    assert "agree on 10 of 10 tokens" in out


# ---- one folder for each kind ----------------------------------------------------------------------------------------

TEXT = "To be, or not to be: that is the question. "


def writers():
    alphabet = CharacterTokenizer(sorted(set(TEXT)), special=False)
    yield GPT2(len(alphabet), 8, 8, 1, 2, dropout=0.0), alphabet
    for core in (LSTM(6, 8, 2, batch_first=True, peephole=True), GRU(6, 8, reset_after=False)):
        letters, words = CharacterTokenizer.of(TEXT), WordTokenizer.of(TEXT)
        yield LangModel(len(letters), core), letters
        yield LangModel(len(words), core), words


@pytest.mark.parametrize("number", range(5))
def test_a_saved_model_writes_what_it_wrote(number, tmp_path, capsys):
    model, tokenizer = list(writers())[number]
    randomise(model)
    line = save_and_write(model.train(), tokenizer, tmp_path / "a model", "To be", seed=2, new=30)
    first = capsys.readouterr().out
    assert line == f'groundup generate "To be" --model "{tmp_path}/a model" --max-new-tokens 30 --seed 2'
    assert model.training
    again, read = load(str(tmp_path / "a model"))
    assert read.pieces == tokenizer.pieces
    told = []
    options = {"max_new_tokens": 30, "temperature": 0.8, "top_p": 0.95, "past_context": "slide"}
    text = write(again, read, "To be", told.append, **options, generator=torch.Generator().manual_seed(2))
    assert first == f"To be{text}\n" == f"To be{''.join(told)}\n"


def test_how_much_is_written_if_nothing_is_said(tmp_path, monkeypatch, capsys):
    """Characters are short, so that more of them are written; a text past the context slides."""
    model, tokenizer = next(writers())
    save(model, tmp_path, tokenizer)
    out, _, _ = command(monkeypatch, capsys, "groundup", "generate", "To", "--model", str(tmp_path))
    assert len(out) == len("To") + 400 + 1


@pytest.mark.parametrize(
    ("make", "prompt", "words"),
    [
        (0, "To bé – or", "the prompt has 'é', '–', not among the 17 characters that the model was trained on"),
        (1, "To bé", "the prompt has 'é', not among the"),
        (2, "To sleep", "the prompt has 'sleep', not among the 12 words"),
        (0, "Ω" * 9 + "αβγδεζηθικλμ", "and 3 more, not among"),
        (0, "", "prompt is empty"),
    ],
)
def test_a_prompt_of_unknown_characters_is_one_sentence(make, prompt, words, tmp_path, monkeypatch, capsys):
    model, tokenizer = list(writers())[make]
    save(model, tmp_path, tokenizer)
    out, err, code = command(monkeypatch, capsys, "groundup", "generate", prompt, "--model", str(tmp_path))
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert out.strip() == ""


def translators():
    text = ParallelText(PAIRS[:3], *(WordTokenizer.of(pair[side] for pair in PAIRS) for side in (0, 1)))
    small = ParallelText(
        PAIRS[:3], *(BytePairTokenizer.of([pair[side] for pair in PAIRS], max_size=270) for side in (0, 1))
    )
    sizes = len(text.source_tokenizer), len(text.target_tokenizer)
    yield Transformer(*sizes, 8, 2, 1, 1, 12), text
    yield Seq2Seq(*sizes, 4, 6, 1), text
    yield BahdanauAttention(len(small.source_tokenizer), len(small.target_tokenizer), 4, 6, 6, 3), small


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("beam", [1, 4])
def test_a_saved_translator_translates_as_before(number, beam, tmp_path, monkeypatch, capsys):
    model, text = list(translators())[number]
    randomise(model).eval()
    before = translate(model, text, width=beam)
    assert save_translator(model, text, tmp_path, beam).startswith('groundup translate "one cat" --model')
    again, source, target = load_translator(tmp_path)
    assert type(again) is type(model)
    assert translate_sentences(again, source, target, [pair[0] for pair in PAIRS[:3]], beam) == before
    flags = ("--model", str(tmp_path), "--beam", str(beam))
    out, _, _ = command(monkeypatch, capsys, "groundup", "translate", PAIRS[2][0], PAIRS[0][0], *flags)
    assert out == f"{before[2]}\n{before[0]}\n"


def test_a_vocabulary_that_both_languages_share_is_one_size(tmp_path):
    tokenizer = WordTokenizer.of([word for pair in PAIRS for word in pair])
    save(Transformer(len(tokenizer), None, 8, 2, 1, 1, 12), tmp_path, tokenizer, tokenizer)
    assert load_translator(tmp_path)[2].pieces == tokenizer.pieces


def test_words_that_a_translator_has_not_seen_are_named(tmp_path, caplog):
    model, text = next(translators())
    translate_sentences(model, text.source_tokenizer, text.target_tokenizer, ["one ox and a cat"])
    assert "the model has not seen 'ox', 'and', 'a', and reads it as <unknown>" in caplog.text
    with pytest.raises(ValueError, match="a sentence must have words, got ' '"):
        translate_sentences(model, text.source_tokenizer, text.target_tokenizer, [" "])


def test_the_right_command_is_named(tmp_path, monkeypatch, capsys):
    model, text = next(translators())
    save_translator(model, text, tmp_path / "translator")
    save(*next(writers())[:1], tmp_path / "writer", next(writers())[1])
    both = LSTM(4, 4, bidirectional=True, batch_first=True)
    save(LangModel(len(text.source_tokenizer), both), tmp_path / "filler", text.source_tokenizer)
    for words, message in (
        (("generate", "a", "--model", "translator"), "holds a 'Transformer'; ask it with `groundup translate`"),
        (("translate", "a", "--model", "writer"), "holds a 'GPT2'; ask it with `groundup generate`"),
        (("generate", "one cat", "--model", "filler"), "ask it with `groundup fill`"),
        (("fill", "a ___", "--model", "writer"), "holds no model of masked words; ask it with `groundup generate`"),
        (("fill", "a cat", "--model", "filler"), "text must have one gap, written ___, got 0"),
        (("fill", "___ ___", "--model", "filler"), "text must have one gap, written ___, got 2"),
        (("translate", "a", "--model", "nowhere"), "model must be a folder that a training saved, as runs/NAME/model"),
        (("translate", "--model", "translator"), "give a sentence to translate"),
        (("similar", "--model", "nowhere"), "give a word"),
        (("similar", "a", "--model", "nowhere"), "'nowhere' is no file of word vectors"),
    ):
        monkeypatch.chdir(tmp_path)
        out, err, code = command(monkeypatch, capsys, "groundup", *words)
        assert (out.strip(), code) == ("" if words[0] != "generate" else out.strip(), 2)
        assert message in err
        assert len(err.strip().splitlines()) == 1


def test_tokenizers_of_another_model_are_refused(tmp_path):
    model, text = next(translators())
    save_translator(model, text, tmp_path)
    shutil.copy(tmp_path / "target_tokenizer.json", tmp_path / "source_tokenizer.json")
    WordTokenizer.of("a b").save(tmp_path / "target_tokenizer.json")
    with pytest.raises(
        ValueError, match=r"holds a model of \d+ tokens, and WordTokenizer\(6 tokens\): they do not bel"
    ):
        load_translator(tmp_path)


def test_a_gap_is_filled_by_what_the_scores_say():
    tokenizer = WordTokenizer.of("the cat sat on a mat")
    model = randomise(LangModel(len(tokenizer), LSTM(4, 5, bidirectional=True, batch_first=True))).train()
    found = fill(model, tokenizer, "the ___ sat", top=3)
    assert model.training
    tokens = tokenizer.encode("the cat sat")
    tokens[1] = PAD
    scores = model.eval()(tokens[None])[0][0, 1, 4:]
    best = scores.argsort(descending=True)[:3]
    assert [word for word, _ in found] == [tokenizer.pieces[4 + i] for i in best]
    torch.testing.assert_close(torch.tensor([p for _, p in found]), scores.softmax(0)[best].detach())
    assert len(fill(model, tokenizer, "-___", top=99)) == 6


def test_similar_words_are_those_of_the_cosine(tmp_path):
    words = [f"w{i}" for i in range(9)]
    vectors = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    write_vectors(tmp_path / "vectors.txt", words, vectors)
    cosine = torch.nn.functional.cosine_similarity(vectors[3][None], vectors)
    expected = [i for i in cosine.argsort(descending=True).tolist() if i != 3][:4]
    for name in (tmp_path, tmp_path / "vectors.txt"):
        found = similar(name, ["w3"], 4)["w3"]
        assert [word for word, _ in found] == [words[i] for i in expected]
        assert found[0][1] == pytest.approx(float(cosine[expected[0]]), abs=1e-6)
    with pytest.raises(ValueError, match="'w33' is none of the 9 words of the vocabulary; near ones are 'w3'"):
        similar(tmp_path, ["w33"])


def test_a_shell_reads_what_is_quoted():
    for text in ("plain", "two words", "it's", 'say "hi"', "$HOME `x` !", "a\nb", "runs/x/model", ""):
        assert shlex.split(quote(text)) == [text]


def test_the_end_of_a_text_is_a_token_of_its_own():
    """Of an alphabet without one, nothing ends a text but its length."""
    model, tokenizer = next(writers())
    assert encode(tokenizer, "To be") == [tokenizer.pieces.index(c) for c in "To be"]
    written = write(model, tokenizer, "T", print, max_new_tokens=9, past_context="slide")
    assert len(written) == 9


def test_generating_from_recurrent_models_is_a_beam_search_too(tmp_path):
    model, tokenizer = list(writers())[1]
    randomise(model).eval()
    start, state = model.read(torch.tensor([encode(tokenizer, "To")]))
    best = beam_search(model.step, start, state, width=3, max_len=5, stop=2).tokens[0, 0]
    assert write(model, tokenizer, "To", print, max_new_tokens=5, width=3) == tokenizer.decode(best)
