"""Written weights are whole or absent, and leave nothing of an earlier save behind."""

import contextlib
import os

import pytest
import torch
from safetensors.torch import load_file

from groundup.weights import WeightError, open_weights, save_weights, saving


def tensors(value=1.0):
    return {"a": torch.full((8,), value), "b": torch.full((3, 4), value).t()}


def names(folder):
    return sorted(os.listdir(folder))


def test_other_libraries_read_it(tmp_path):
    folder = save_weights(tensors(), tmp_path / "new" / "folder", config={"x": "é"})
    assert names(folder) == ["config.json", "model.safetensors"]
    read = load_file(folder / "model.safetensors")
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors().items())
    assert (folder / "config.json").read_text(encoding="utf-8") == '{\n  "x": "é"\n}\n'


def test_equal_weights_make_equal_files(tmp_path):
    for name in "xy":
        save_weights(tensors(), tmp_path / name)
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in "xy")
    assert one == other


def test_weights_may_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        save_weights(tensors(), tmp_path / "f", config={})
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "f").iterdir()} == {0o640}


def test_a_view_is_stored_alone_and_what_is_shared_twice(tmp_path):
    big = torch.arange(1000.0)
    save_weights({"part": big[:3], "again": big[:3], "all": big}, tmp_path / "f")
    assert (tmp_path / "f" / "model.safetensors").stat().st_size < 4 * 1000 + 500
    read = load_file(tmp_path / "f" / "model.safetensors")
    assert torch.equal(read["part"], big[:3])
    assert torch.equal(read["again"], big[:3])


def test_a_later_save_replaces_the_earlier_in_every_form(tmp_path):
    folder = tmp_path / "f"
    save_weights(tensors(1.0), folder, 32, config={})
    (folder / "README.md").write_text("mine")
    save_weights(tensors(2.0), folder, config={})
    assert names(folder) == ["README.md", "config.json", "model.safetensors"]
    assert open_weights(folder)["a"][0] == 2
    save_weights(tensors(3.0), folder, 32, config={})
    assert names(folder) == [
        *("README.md", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        "model.safetensors.index.json",
    ]
    assert open_weights(folder)["a"][0] == 3
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("old", [None, "5GB", 32])
@pytest.mark.parametrize("new", ["5GB", 32])
@pytest.mark.parametrize("moment", range(8))
def test_a_crash_at_any_moment_leaves_the_old_the_new_or_a_refusal(tmp_path, monkeypatch, old, new, moment):
    """Never a mixture: not even shards of the same names, half of them old, half new."""
    folder, steps = tmp_path / "f", []
    if old is not None:
        save_weights(tensors(1.0), folder, old, config={"save": 1})
    move = saving.move_into_place

    def crashing(temporary, final):
        if len(steps) == moment:
            raise KeyboardInterrupt
        steps.append(final)
        move(temporary, final)

    monkeypatch.setattr(saving, "move_into_place", crashing)
    with contextlib.suppress(KeyboardInterrupt):
        save_weights(tensors(2.0), folder, new, config={"save": 2})
    assert [name for name in names(tmp_path) if name.startswith(".tmp")] == []
    if not folder.exists():
        assert old is None
        return
    try:
        read = open_weights(folder)
        values = {float(read[name].flatten()[0]) for name in read}
    except WeightError:
        return
    assert values in ({1.0}, {2.0})
    config = folder / "config.json"
    if config.exists():
        assert f'"save": {int(values.pop())}' in config.read_text()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda folder: save_weights({}, folder), ValueError, "tensors is empty"),
        (lambda folder: save_weights(tensors(), folder, "5 parsecs"), ValueError, "like \"200MB\", got '5 parsecs'"),
        (lambda folder: save_weights(tensors(), folder, 0), ValueError, "max_shard_size must be at least 1"),
        (
            lambda folder: save_weights({"a": torch.empty(2, device="meta")}, folder),
            ValueError,
            "a is on the meta device",
        ),
        (lambda folder: save_weights(tensors(), folder.parent / "file"), ValueError, "is a file; choose another name"),
    ],
)
def test_what_cannot_be_saved(tmp_path, call, error, words):
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match=words):
        call(tmp_path / "folder")
    assert names(tmp_path) == ["file"]
