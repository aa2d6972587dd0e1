"""The page of attention maps."""

import pytest
import torch

from groundup.plots import attention_page


def test_a_map_for_every_head(tmp_path):
    layers = [torch.rand(heads, 5, 5).tril() for heads in (2, 3)]
    attention_page(layers, tmp_path / "a.png", labels=list("a b\n$"), title="two layers", marked=[(1, 2)])
    attention_page([torch.zeros(1, 4, 1)], tmp_path / "one_key.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert (tmp_path / "one_key.png").exists()


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(ValueError, match="layers is empty"):
        attention_page([], tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"layers\[0\] must have shape \(H, T, S\)"):
        attention_page([torch.rand(5, 5)], tmp_path / "a.png")
    with pytest.raises(ValueError, match="labels must be 5, got 2"):
        attention_page([torch.rand(2, 5, 5)], tmp_path / "a.png", labels=["a", "b"])
