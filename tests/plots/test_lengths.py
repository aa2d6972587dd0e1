"""BLEU against length: a line for each run, wider for the first."""

import pytest

from groundup.plots import scores_by_length


def test_a_line_for_each_run(tmp_path):
    from PIL import Image

    runs = {"attention": [(5.0, 40.0), (12.0, 38.0)], "plain": [(5.0, 35.0), (12.0, 20.0)]}
    scores_by_length(runs, tmp_path / "two.png", "Title")
    scores_by_length({"attention": runs["attention"]}, tmp_path / "one.png", "Title")

    def orange(name):
        with Image.open(tmp_path / name) as picture:
            return sum(count for count, colour in picture.convert("RGB").getcolors(2**24) if colour == (0xD5, 0x5E, 0))

    assert orange("two.png") > 200
    assert orange("one.png") == 0


@pytest.mark.usefixtures("untyped")
def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(ValueError, match="runs is empty"):
        scores_by_length({}, tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"runs\['a'\] is empty"):
        scores_by_length({"a": []}, tmp_path / "none.png")
