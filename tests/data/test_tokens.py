"""Windows of tokens, and tokens on the disk."""

import json

import numpy as np
import pytest
import torch

from groundup.data import Loader, TokenWindows, open_tokens, train_byte_pairs, write_tokens

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
