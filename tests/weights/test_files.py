"""Files of weights: every published form is read, nothing in them is run, and what is damaged is named."""

import argparse
import json
import os
import pickle
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundup.weights import WeightError, open_weights, save_weights

TENSORS = {"a.weight": torch.randn(30, 40), "a.bias": torch.randn(30).half(), "count": torch.tensor(3)}


def equal(weights, tensors=TENSORS):
    assert weights.meta.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert weights.meta[name].is_meta
        assert weights.meta[name].dtype == weights[name].dtype == tensor.dtype
        assert weights.meta[name].shape == tensor.shape
        assert torch.equal(weights[name], tensor)
    return True


class Evil:
    def __reduce__(self):
        return os.mkdir, ("run.by.a.pickle",)


WRITERS = {
    "model.safetensors": lambda path: save_file(TENSORS, path),
    "new.pth": lambda path: torch.save(TENSORS, path),
    "old.pth": lambda path: torch.save(TENSORS, path, _use_new_zipfile_serialization=False),
    "state_dict.pt": lambda path: torch.save({"epoch": 3, "state_dict": TENSORS}, path),
    "model.bin": lambda path: torch.save({"model": TENSORS, "lr": 0.1}, path),
    "wrong-ending.pth": lambda path: save_file(TENSORS, path),
    "parallel.pth": lambda path: torch.save({f"module.{name}": tensor for name, tensor in TENSORS.items()}, path),
    "compiled.safetensors": lambda path: save_file({f"_orig_mod.{name}": t for name, t in TENSORS.items()}, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_form_is_read(tmp_path, name):
    WRITERS[name](tmp_path / name)
    assert equal(open_weights(tmp_path / name))
    assert equal(open_weights(str(tmp_path)))  # the only file of a folder


@pytest.mark.parametrize("length", [0x80, 0x4B50])
def test_a_header_whose_length_looks_like_another_form(tmp_path, length):
    """The first bytes of safetensors are a number, which may spell a pickle's or a zip's first bytes."""
    entry = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    content = struct.pack("<Q", length) + entry.ljust(length).encode() + struct.pack("<f", 2.5)
    assert content[:2] in (b"\x80\x00", b"PK")
    (tmp_path / "x.safetensors").write_bytes(content)
    assert open_weights(tmp_path / "x.safetensors")["x"].item() == 2.5


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"state_dict": TENSORS, "hook": Evil()}, r"\(posix\.mkdir\)"),
        (torch.nn.Linear(2, 2), r"\(torch\.nn\.modules\.linear\.Linear\)"),
        ({"state_dict": TENSORS, "args": argparse.Namespace(lr=1)}, r"\(argparse\.Namespace\)"),
    ],
)
def test_pickled_code_is_refused_and_never_run(tmp_path, monkeypatch, content, what, zipped):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "code.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightError, match=rf"code\.pth holds pickled code {what}, which is never run; save"):
        open_weights("code.pth")
    assert os.listdir() == ["code.pth"]


@pytest.mark.parametrize("name", ["model.safetensors", "new.pth", "old.pth"])
@pytest.mark.parametrize("left", [0.999, 0.5, 0.02, 4])
def test_a_file_cut_off_is_named(tmp_path, name, left):
    path = tmp_path / name
    WRITERS[name](path)
    whole = path.read_bytes()
    path.write_bytes(whole[: left if isinstance(left, int) else int(left * len(whole))])
    with pytest.raises(WeightError, match=rf"{name} is (damaged or cut off: .*; fetch it again|neither safetensors)"):
        open_weights(path)


@pytest.mark.parametrize("name", ["model.safetensors", "new.pth", "old.pth"])
def test_a_garbled_file_is_named(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    content = bytearray(path.read_bytes())
    content[100:140] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(WeightError, match=rf"{name} is damaged or cut off"):
        open_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is neither safetensors nor a state_dict"),
        (b"<!DOCTYPE html><html>Not found</html>", "is neither safetensors nor .* it begins with b'<!DOCTYPE ht'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "is a Git LFS pointer.*git lfs pull"),
        (pickle.dumps({"a": 1}, 2), "is damaged or cut off"),
        ([1, 2], "must hold a state_dict, tensors by name; it holds list"),
        ({}, "must hold a state_dict"),
        ({"a": torch.ones(1), "b": 3}, "must hold tensors by name; under 'b' it holds int"),
        ({3: torch.ones(1)}, "must hold tensors by name; under 3 it holds Tensor"),
    ],
)
def test_what_is_no_weights_is_named(tmp_path, content, words):
    path = tmp_path / "file.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(WeightError, match=rf"file\.pth {words}"):
        open_weights(path)


@pytest.mark.filterwarnings("ignore")  # PyTorch's, of types on their way out
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: torch.quantize_per_tensor(torch.ones(3, 3), 0.1, 0, torch.qint8), "torch.qint8"),
        (lambda: torch.quantize_per_channel(torch.ones(3, 3), torch.ones(3), torch.zeros(3), 0, torch.quint8), "uint8"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "nested"),
    ],
)
def test_a_tensor_of_no_plain_numbers_is_named(tmp_path, make, kind):
    torch.save(TENSORS | {"b": make()}, tmp_path / "file.pth")
    with pytest.raises(WeightError, match=rf"file\.pth: b has the type .*{kind}, which is not read"):
        open_weights(tmp_path / "file.pth")


def test_an_index_without_an_end_is_named(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text("[" * 100_000)
    with pytest.raises(WeightError, match=r"index\.json is no index of shards: RecursionError"):
        open_weights(tmp_path)


def test_a_pickle_is_not_passed_off_as_safetensors(tmp_path):
    torch.save(TENSORS, tmp_path / "x.safetensors")
    with pytest.raises(WeightError, match=r"x\.safetensors is not safetensors, but .* torch\.save: call it \.pth"):
        open_weights(tmp_path)


def test_a_folder_must_tell_which_file(tmp_path):
    with pytest.raises(WeightError, match="it holds no weights"):
        open_weights(tmp_path)
    torch.save(TENSORS, tmp_path / "b.pth")
    torch.save(TENSORS, tmp_path / "a.pth")
    with pytest.raises(WeightError, match=r"it holds a\.pth, b\.pth: name one"):
        open_weights(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*c\.pth"):
        open_weights(tmp_path / "c.pth")
    save_file(TENSORS, tmp_path / "model.safetensors")
    assert open_weights(tmp_path).path.name == "model.safetensors"


# ---- shards ------------------------------------------------------------------------------------------------------


@pytest.fixture
def sharded(tmp_path):
    return save_weights(TENSORS, tmp_path / "sharded", max_shard_size=64)


def test_shards_there_and_back(sharded):
    names = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    assert sorted(os.listdir(sharded)) == [*names, "model.safetensors.index.json"]
    index = json.loads((sharded / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == dict(zip(TENSORS, names))
    assert index["metadata"]["total_size"] == 30 * 40 * 4 + 30 * 2 + 8
    assert equal(open_weights(sharded))
    assert equal(open_weights(sharded / "model.safetensors.index.json"))


def test_a_shard_is_filled_as_far_as_it_goes(tmp_path):
    tensors = {name: torch.ones(10) for name in "abcde"}  # 40 bytes each
    save_weights(tensors, tmp_path / "s", max_shard_size="80B")
    held = [list(load_file(file)) for file in sorted((tmp_path / "s").glob("*.safetensors"))]
    assert held == [["a", "b"], ["c", "d"], ["e"]]


def index_with(folder, change):
    path = folder / "model.safetensors.index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("weight_map"), "is no index of shards"),
        (lambda c: c.update(weight_map=[]), "is no index of shards"),
        (lambda c: c["weight_map"].update(count="../../etc/x"), r"points outside of its folder, to '\.\./\.\./etc/x'"),
        (lambda c: c["weight_map"].update(count="other.safetensors"), r"not in its folder: other\.safetensors"),
        (
            lambda c: c["weight_map"].update(more="model-00001-of-00003.safetensors"),
            "says that more is in model-00001-of-00003.safetensors, which does not hold it",
        ),
    ],
)
def test_an_index_that_does_not_fit_its_shards(sharded, change, words):
    index_with(sharded, change)
    with pytest.raises(WeightError, match=words):
        open_weights(sharded)


def test_a_tensor_that_the_index_forgets(sharded):
    save_file({"count": TENSORS["count"], "stray": torch.ones(1)}, sharded / "model-00003-of-00003.safetensors")
    with pytest.raises(WeightError, match=r"model-00003-of-00003.safetensors holds stray, which .* does not find"):
        open_weights(sharded)


def test_a_shard_cut_off(sharded):
    path = sharded / "model-00001-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightError, match=r"model-00001-of-00003\.safetensors is damaged or cut off"):
        open_weights(sharded)
