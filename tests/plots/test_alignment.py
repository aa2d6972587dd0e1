"""The picture of alignments: as wide as its sentences, and only of what fits."""

import pytest
import torch

from groundup.plots import alignments


def test_a_panel_for_each_sentence(tmp_path):
    from PIL import Image

    panels = [(["two", "cats"], ["deux", "chats", "."], torch.eye(3)[:, :2]), (["a"], ["un"], torch.ones(1, 1))]
    alignments(panels, tmp_path / "two.png", "Title")
    alignments(panels[:1], tmp_path / "one.png")
    with Image.open(tmp_path / "two.png") as two, Image.open(tmp_path / "one.png") as one:
        assert two.width > one.width


@pytest.mark.usefixtures("untyped")
def test_what_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="panels is empty"):
        alignments([], tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"weights must be \(target, source\) = \(1, 2\), got \(2, 1\)"):
        alignments([(["a", "b"], ["c"], torch.ones(2, 1))], tmp_path / "none.png")
