"""Windows of tokens, and tokens on the disk."""

import json

import numpy as np
import pytest
import torch

from groundup.data import (
    Loader,
    TokenWindows,
    load_tokenizer,
    open_tokens,
    prepare_tokens,
    train_byte_pairs,
    write_tokens,
)

TEXTS = ["a small text about a cat. " * 30, "another one, about a dog! " * 20]


def test_windows_lie_end_to_end_and_y_is_one_ahead():
    windows = TokenWindows(torch.arange(13), 4)
    assert len(windows) == 3
    x, y = windows.batch(torch.tensor([0, 2]))
    assert x.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert torch.equal(y, x + 1)
    assert len(TokenWindows(torch.arange(12), 4)) == 2  # the last token of a third would have no successor
    everywhere = TokenWindows(torch.arange(13), 4, stride=1)
    assert len(everywhere) == 9
    assert everywhere[8][1].tolist() == [9, 10, 11, 12]
    seen = torch.cat([x for x, _ in Loader(everywhere, 2, shuffle=True)])
    assert sorted(seen[:, 0].tolist()) == list(range(9))


def test_too_few_tokens():
    with pytest.raises(ValueError, match="tokens must be more than context=4 to be a window, got 4"):
        TokenWindows(torch.arange(4), 4)


@pytest.mark.parametrize("tokens", [torch.arange(13), np.arange(13, dtype=np.uint16), list(range(13))])
def test_windows_have_ends(tokens):
    """A `for` without a loader asks for numbers until there is an IndexError."""
    windows = TokenWindows(tokens, 4)
    assert [x.tolist() for x, _ in windows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert windows[-1][1].tolist() == windows[np.int64(2)][1].tolist() == windows[torch.tensor(2)][1].tolist()
    assert windows[-3][0].tolist() == [0, 1, 2, 3]
    for number in (3, -4):
        with pytest.raises(IndexError, match=rf"number must lie in \[-3, 2\], of 3 windows, got {number}"):
            windows[number]
    for number in (3, -1):
        with pytest.raises(ValueError, match=rf"indices must lie in \[0, 2\], .* got {number}"):
            windows.batch(torch.tensor([0, number]))


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("number", [1.0, slice(2), [0, 1]])
def test_the_number_of_a_window_is_one_int(number):
    with pytest.raises(TypeError, match="number must be an int, got"):
        TokenWindows(torch.arange(13), 4)[number]


def test_tokens_are_a_row_of_integers():
    for tokens in (torch.zeros(9, 9, dtype=torch.int64), np.zeros((9, 9), dtype=np.int64)):
        with pytest.raises(ValueError, match=r"tokens must have one axis, got shape \(9, 9\)"):
            TokenWindows(tokens, 4)
    for tokens in (torch.rand(9), torch.rand(9) > 0, torch.rand(9).bfloat16(), np.zeros(9), [0.5] * 9):
        with pytest.raises(TypeError, match="tokens must be integers, got"):
            TokenWindows(tokens, 4)
    assert len(TokenWindows(np.arange(9, dtype=">u2"), 4)) == 2


def test_there_and_back_on_the_disk(tmp_path):
    tokenizer = train_byte_pairs(TEXTS, 280)
    write_tokens(tmp_path / "t", TEXTS, tokenizer, valid=0.25)
    train, valid = (open_tokens(tmp_path / "t", split) for split in ("train", "valid"))
    assert train.dtype == np.uint16
    end = "<|endoftext|>"
    whole = tokenizer.decode([*train.tolist(), *valid.tolist()], skip_special_tokens=False)
    assert whole == TEXTS[0] + end + TEXTS[1] + end
    assert len(valid) == pytest.approx(0.25 * (len(train) + len(valid)), abs=1)
    x, y = next(iter(Loader(TokenWindows(train, 8), 2)))
    assert x.dtype == torch.int64
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert sorted(p.name for p in (tmp_path / "t").iterdir()) == [
        "tokenizer.json",
        "tokens.json",
        "train.bin",
        "valid.bin",
    ]


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("texts", [TEXTS[0], TEXTS[0].encode(), None, 3])
def test_one_text_is_not_several(texts, tmp_path):
    """Of a text each character would be one, with an end after it, and no pair of bytes to merge."""
    with pytest.raises(TypeError, match=r"texts must be several texts, got \w+; of one text pass \[text\]"):
        train_byte_pairs(texts, 300)
    with pytest.raises(TypeError, match=r"texts must be several texts, got \w+; of one text pass \[text\]"):
        write_tokens(tmp_path / "x", texts, train_byte_pairs(TEXTS, 300))
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("untyped")
def test_sizes_and_shares_of_other_types_are_named(tmp_path):
    with pytest.raises(TypeError, match=r"vocab_size must be an int, got 300.0 \(float\)"):
        train_byte_pairs(TEXTS, 300.0)
    with pytest.raises(TypeError, match=r"valid must be a number, got '0.1' \(str\)"):
        write_tokens(tmp_path / "x", TEXTS, train_byte_pairs(TEXTS, 300), valid="0.1")
    (tmp_path / "tokens.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"holds no tokens .maximum recursion depth"):
        open_tokens(tmp_path)


def test_what_is_damaged_or_missing_is_said(tmp_path):
    with pytest.raises(ValueError, match="holds no tokens"):
        open_tokens(tmp_path)
    tokenizer = train_byte_pairs(TEXTS, 280)
    write_tokens(tmp_path, TEXTS, tokenizer)
    about = json.loads((tmp_path / "tokens.json").read_text())
    (tmp_path / "train.bin").write_bytes((tmp_path / "train.bin").read_bytes()[:-2])
    with pytest.raises(ValueError, match=f"holds {about['train'] - 1} tokens, and {about['train']} were written"):
        open_tokens(tmp_path)
    with pytest.raises(ValueError, match="end='</s>' is no token of the tokenizer"):
        write_tokens(tmp_path, TEXTS, tokenizer, end="</s>")
    with pytest.raises(ValueError, match="vocab_size must be at least 257"):
        train_byte_pairs(TEXTS, 100)


@pytest.mark.parametrize(
    "about",
    ["[]", "7", "{", "{}", '{"dtype": "nonsense", "train": 9, "valid": 9}', '{"dtype": "uint16", "train": "9"}'],
)
def test_what_tokens_json_must_not_say(tmp_path, about):
    write_tokens(tmp_path, TEXTS, train_byte_pairs(TEXTS, 280))
    (tmp_path / "tokens.json").write_text(about)
    with pytest.raises(ValueError, match=str(tmp_path)):
        open_tokens(tmp_path)


def prepared(folder, data, vocab_size=265, valid=0.1):
    """The text of the tokens that are there then, and how many words the tokenizer has."""
    assert prepare_tokens(data, vocab_size, folder, valid) == folder
    tokenizer = load_tokenizer(folder)
    parts = [open_tokens(folder, split).tolist() for split in ("train", "valid")]
    return tokenizer.decode(parts[0] + parts[1]), tokenizer.get_vocab_size(), len(parts[1])


def test_tokens_are_of_what_was_asked_for(tmp_path):
    one, two, folder = tmp_path / "one.txt", tmp_path / "two.txt", tmp_path / "tokens"
    one.write_text(TEXTS[0])
    two.write_text(TEXTS[1])
    assert prepared(folder, one)[:2] == (TEXTS[0], 265)
    old = open_tokens(folder)
    kept, made = old.tolist(), (folder / "tokens.json").stat().st_mtime_ns
    assert prepared(folder, str(one))[0] == TEXTS[0]
    assert (folder / "tokens.json").stat().st_mtime_ns == made  # nothing was written
    assert prepared(folder, two)[:2] == (TEXTS[1], 265)
    assert old.tolist() == kept  # who reads the old ones goes on with them
    assert prepared(folder, two, 260)[1] == 260
    assert prepared(folder, two, 260, valid=0.5)[2] > prepared(folder, two, 260)[2]
    two.write_text(TEXTS[1] + "more")
    assert prepared(folder, two)[0] == TEXTS[1] + "more"
    both = tmp_path / "both"
    both.mkdir()
    (both / "a.txt").write_text(TEXTS[0])
    assert prepared(folder, both)[0] == TEXTS[0]
    (both / "b.txt").write_text(TEXTS[1])
    assert prepared(folder, both)[0] == TEXTS[0] + TEXTS[1]
    assert prepare_tokens(folder, 300, tmp_path / "other") == folder  # a folder of tokens is taken as it is
    with pytest.raises(ValueError, match="name_or_path must be one of"):
        prepare_tokens(tmp_path / "none", 265, folder)


def test_tokens_that_do_not_say_of_what_are_not_written_over(tmp_path):
    (tmp_path / "one.txt").write_text(TEXTS[0])
    write_tokens(tmp_path / "tokens", TEXTS, train_byte_pairs(TEXTS, 280))
    before = open_tokens(tmp_path / "tokens").tolist()
    with pytest.raises(ValueError, match="do not say of which text: to use them as they are, name this folder as data"):
        prepare_tokens(tmp_path / "one.txt", 280, tmp_path / "tokens")
    assert open_tokens(tmp_path / "tokens").tolist() == before


def test_a_crash_while_tokens_are_replaced_leaves_none(tmp_path, monkeypatch):
    """Neither old ones under a new name nor half of the new: the next call writes them."""
    (tmp_path / "one.txt").write_text(TEXTS[0])
    (tmp_path / "two.txt").write_text(TEXTS[1])
    folder = prepare_tokens(tmp_path / "one.txt", 280, tmp_path / "tokens")
    with monkeypatch.context() as patch:
        full = OSError("no space left")
        patch.setattr("groundup.data.text.token_files.sync", lambda path: (_ for _ in ()).throw(full))
        with pytest.raises(OSError, match="no space left"):
            prepare_tokens(tmp_path / "two.txt", 280, folder)
    with pytest.raises(ValueError, match="holds no tokens"):
        open_tokens(folder)
    assert prepared(folder, tmp_path / "two.txt")[0] == TEXTS[1]
