"""`groundup generate`: a folder of weights and its tokenizer write a text, token by token."""

import io
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from groundup import cli
from groundup.data import load_tokenizer, train_byte_pairs
from groundup.generation import generate
from groundup.models.transformer_networks import GPT2, GPT3, LLaMA2
from groundup.tools.text import end_of_text, find_model_class, load, write
from groundup.weights import hub
from groundup.weights.config import read_config

TEXT = "the cat sat on the mat — and it sat äöü 日本語 "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_byte_pairs([TEXT * 20], 300)
    torch.manual_seed(0)
    GPT2(304, 32, 8, 1, 2, dropout=0.0).save_pretrained(folder, names="transformers")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_byte_pairs_go_there_and_back(folder):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer.encode(TEXT).ids) == TEXT
    assert tokenizer.decode(tokenizer.encode("never seen: Ω\n").ids) == "never seen: Ω\n"
    assert len(tokenizer.encode(TEXT).ids) < len(TEXT.encode()) / 2


def test_what_is_told_is_what_is_written(folder):
    model, tokenizer = load(str(folder))
    for seed in range(3):
        told = []
        generator = torch.Generator().manual_seed(seed)
        text = write(model, tokenizer, "the cat", told.append, max_new_tokens=20, generator=generator)
        assert "".join(told) == text
        assert not any(piece.endswith("\ufffd") for piece in told[:-1])  # characters are told whole


def test_what_a_beam_finds_is_written(folder):
    model, tokenizer = load(str(folder))
    prompt, told = tokenizer.encode("the cat").ids, []
    stops = end_of_text(tokenizer)
    found = generate(model, [prompt], max_new_tokens=6, width=3, stop=stops).tokens[0].tolist()
    expected = tokenizer.decode([*prompt, *(token for token in found if token < tokenizer.get_vocab_size())])
    text = write(model, tokenizer, "the cat", told.append, max_new_tokens=6, width=3)
    assert text == "".join(told) == expected.removeprefix("the cat")
    assert text


def test_writing_leaves_every_part_in_its_mode(folder):
    """A text in the middle of training does not end the dropout, nor begin it where it was off."""
    model, tokenizer = load(str(folder))
    model.train().norm.eval()
    write(model, tokenizer, "the cat", print, max_new_tokens=2)
    with pytest.raises(ValueError, match="top_k must be"):
        write(model, tokenizer, "the cat", print, max_new_tokens=2, top_k=0)
    assert [name for name, part in model.named_modules() if not part.training] == ["norm"]


def test_on_the_command_line(folder, monkeypatch, capsys):
    texts = []
    for _ in range(2):
        monkeypatch.setattr(
            sys, "argv", ["groundup", "generate", "the cat", "--model", str(folder), "--max-new-tokens", "8"]
        )
        cli.main()
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]  # the seed is the same
    assert texts[0].startswith("the cat")


@pytest.mark.parametrize("form", ["groundup", "transformers", "meta"])
def test_a_folder_is_read_once_and_the_model_built_once(form, folder, tmp_path, monkeypatch):
    opened, listed, built = Counter(), Counter(), Counter()
    cls = LLaMA2 if form == "meta" else GPT2
    sizes = {"embed_dim": 16, "num_layers": 1, "num_heads": 2} | ({"hidden_dim": 24} if form == "meta" else {})
    cls(304, context=32, **sizes).save_pretrained(tmp_path, names=form)
    shutil.copy(folder / "tokenizer.json", tmp_path)

    def count(module, name, counter, key):
        usual = getattr(module, name)

        def counting(*args, **kwargs):
            counter[key(*args)] += 1
            return usual(*args, **kwargs)

        monkeypatch.setattr(module, name, counting)

    count(io, "open", opened, lambda path, *_: Path(path).name)
    count(os, "scandir", listed, str)
    count(os, "listdir", listed, str)
    count(nn.ModuleList, "__init__", built, lambda *_: "blocks")  # one per model, that of its blocks
    model, _ = load(str(tmp_path))
    assert type(model) is cls
    config = "params.json" if form == "meta" else "config.json"
    assert opened[config] == opened["tokenizer.json"] == 1
    assert listed[str(tmp_path)] == (form == "meta")
    assert built["blocks"] == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--max-new-tokens", "40", "--past-context", "refuse"), "do not fit into context=32"),
        (("--top-k", "1000"), "top_k must be at most vocab_size=304, got 1000"),
        (("--model", "no/such/folder"), "neither a file or folder on this machine"),
        (("--top-k", "0"), "top_k must be at least 1, got 0"),
        (("--top-p", "0"), "top_p must lie in (0, 1], got 0.0"),
        (("--seed", str(2**64)), f"seed must fit into 64 bits, got {2**64}"),
    ],
)
def test_mistakes_are_one_line(folder, flags, words, monkeypatch, capsys):
    given = ["groundup", "generate", "the cat", "--model", str(folder), *flags]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out in ("", "the cat\n")  # on a line of its own


def test_a_prompt_of_no_text_is_refused(folder):
    """Bytes that are not UTF-8 come from the command line so."""
    with pytest.raises(ValueError, match=r"prompt must be a text that UTF-8 can hold, got 'a.udc80b'"):
        write(*load(str(folder)), "a\udc80b", print, max_new_tokens=1)


def test_a_folder_here_is_taken_before_a_published_name(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "fetch_folder", lambda repository: pytest.fail(f"{repository} was asked for"))
    model, _ = load("gpt2")
    assert model.vocab_size == GPT2.from_pretrained("gpt2").vocab_size == 304


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tokenizer.json", "{", "tokenizer.json is no tokenizer.json, or cut off"),
        ("tokenizer.json", '{"model": [1]}', "tokenizer.json is no tokenizer.json, or cut off"),
        ("config.json", "{", "config.json cannot be understood"),
        ("config.json", "[1]", "config.json cannot be understood"),
        ("config.json", '{"model_type": ["x"]}', "holds a ['x']; there are 'gpt2'"),
        ("config.json", '{"model_type": "gpt2", "n_embd": "eight"}', "embed_dim must be an int, got 'eight'"),
    ],
)
def test_garbled_files_are_one_line(folder, file, content, words, tmp_path, monkeypatch, capsys, untyped):
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / file).write_text(content)
    monkeypatch.setattr(sys, "argv", ["groundup", "generate", "the cat", "--model", str(tmp_path / "model")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    complaint = capsys.readouterr().err
    assert str(tmp_path / "model") in complaint
    assert words in complaint
    assert len(complaint.strip().splitlines()) == 1


def test_a_tokenizer_of_another_model_is_refused(folder, tmp_path):
    GPT2(290, 32, 8, 1, 2).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"there is no .*tokenizer\.json; a tokenizer is in the folder of the weights"):
        load(str(tmp_path))
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    for size in (290, 5000):
        GPT2(size, 32, 8, 1, 2).save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=rf"has \d+ tokens, and the model's vocab_size is {size}: they do not bel"):
            load(str(tmp_path))


def test_places_without_a_token_have_no_text(folder):
    """A padded vocabulary: what lies beyond the tokenizer's is drawn, and not told."""
    _, tokenizer = load(str(folder))
    torch.manual_seed(0)
    model, told = GPT2(600, 32, 8, 1, 2, dropout=0.0), []
    text = write(model, tokenizer, "the cat", told.append, max_new_tokens=20)
    assert "".join(told) == text


def test_a_model_of_ones_own_writes(folder, tmp_path):
    """GPT-3, too, whose weights nobody published."""
    GPT3(304, 32, 8, 2, 2, window=4).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    assert isinstance(load(str(tmp_path))[0], GPT3)


def test_which_model_lies_there(folder, tmp_path):
    assert find_model_class(folder, read_config(folder)) is GPT2
    (tmp_path / "consolidated.00.pth").touch()
    assert find_model_class(tmp_path, read_config(tmp_path)) is LLaMA2
    (tmp_path / "consolidated.00.pth").unlink()
    with pytest.raises(ValueError, match="does not say what model it holds"):
        find_model_class(tmp_path, read_config(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="holds a 'bert'; there are 'gpt2', 'llama'"):
        find_model_class(tmp_path, read_config(tmp_path))
