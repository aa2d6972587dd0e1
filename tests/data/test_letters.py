"""The letters: twenty-six different pictures of ±1, in the order asked for."""

from string import ascii_uppercase

import pytest
import torch

from groundup.data import letters


def test_the_alphabet():
    alphabet = letters()
    assert alphabet.shape == (26, 10, 10)
    assert set(alphabet.unique().tolist()) == {-1.0, 1.0}
    apart = (alphabet[:, None] != alphabet[None]).sum((-1, -2)) + 100 * torch.eye(26, dtype=torch.int64)
    assert apart.min() == 8
    assert apart.argmin() // 26 == ascii_uppercase.index("O")  # from Q


def test_each_reaches_every_side_of_its_square():
    ink = letters() == 1
    assert ink[:, 0].any(-1).all()
    assert ink[:, -1].any(-1).all()
    assert ink[:, :, :2].any((-1, -2)).sum() == 25  # all but I
    assert ink[:, :, 8:].any((-1, -2)).sum() == 25


def test_symmetric_letters_are_symmetric():
    for letter in "AHIMOTUVWXY":
        picture = letters(letter)[0]
        assert torch.equal(picture, picture.flip(1)), letter
    for letter in "BCDEHIKOX":
        picture = letters(letter)[0]
        assert torch.equal(picture, picture.flip(0)), letter


def test_a_choice_in_its_order():
    assert torch.equal(letters("CAB"), letters()[[2, 0, 1]])
    assert torch.equal(letters("AA")[0], letters("A")[0])


@pytest.mark.parametrize("which", ["", "a", "A1"])
def test_only_letters(which):
    with pytest.raises(ValueError, match=f"which must be letters of ABC.*got '{which}'"):
        letters(which)
