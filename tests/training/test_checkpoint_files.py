"""Files of checkpoints: the library's bytes, summed up as they are written, and rests between the pieces."""

import hashlib
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundup.training import checkpoint_files
from groundup.training.checkpoint_files import HashedFile, save_tensors
from groundup.training.checkpoint_writer import CheckpointWriter

FLOATS = "float64 float32 float16 bfloat16 complex64 float8_e4m3fn float8_e5m2"
DTYPES = [getattr(torch, name) for name in (FLOATS + " int64 int32 int16 int8 uint8 bool").split()]


def odd_tensors():
    some = {f"w.{i % 3}.{dtype}": (50 * torch.randn(3, i + 1)).to(dtype) for i, dtype in enumerate(DTYPES)}
    return some | {'ü"\n': torch.tensor(3.0), "none": torch.zeros(0, 3), "large": torch.randn(300, 7)}


@pytest.mark.parametrize("rest", [None, lambda seconds: None])
def test_the_bytes_are_the_librarys(tmp_path, monkeypatch, rest):
    monkeypatch.setattr(checkpoint_files, "PIECE_BYTES", 100)
    tensors = odd_tensors()
    save_file(tensors, tmp_path / "theirs", {"format": "pt"})
    with HashedFile(tmp_path / "ours", rest) as file:
        save_tensors(tensors, file, {"format": "pt"})
    written = (tmp_path / "ours").read_bytes()
    assert written == (tmp_path / "theirs").read_bytes()
    assert file.fingerprint == {"bytes": len(written), "sha256": hashlib.sha256(written).hexdigest()}


def test_several_metadata_keep_their_order(tmp_path):
    for run in "abcdefgh":
        with HashedFile(tmp_path / run) as file:
            save_tensors({"w": torch.ones(2)}, file, {name: name for name in "qwertz"})
    assert len({(tmp_path / run).read_bytes() for run in "abcdefgh"}) == 1
    assert load_file(tmp_path / "a")["w"].tolist() == [1, 1]


def test_a_rest_follows_each_piece_and_is_told_its_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_files, "PIECE_BYTES", 1000)
    sizes, told = [], []

    def rest(seconds):
        sizes.append((tmp_path / "f").stat().st_size)
        told.append(seconds)

    began = time.perf_counter()
    with HashedFile(tmp_path / "f", rest) as file:
        for _ in range(9):
            file.write(b"x" * 300)  # small ones count together
        file.write(b"x" * 2300)
    assert sizes == [1200, 2400, 3700, 4700]
    assert 0 < sum(told) < time.perf_counter() - began


@pytest.mark.parametrize("rest", [None, lambda seconds: None])
def test_what_the_disk_says_is_what_is_raised(tmp_path, rest):
    """Not what torch.save makes of it."""
    file = HashedFile(tmp_path / "f", rest)
    usual, count = file._write_piece, [0]

    def full(piece):
        count[0] += 1
        if count[0] > 9:
            raise OSError(28, "No space left on device")
        usual(piece)

    file._write_piece = full
    with pytest.raises(OSError, match="No space left"), file:
        torch.save([torch.randn(100) for _ in range(9)], file)
    assert file.file.closed


def test_beside_training_it_rests_until_somebody_waits(monkeypatch):
    """After a minute of writing nine of rest, which are called off when training waits for the checkpoint."""
    assert CheckpointWriter(background=False).pause is None
    writer, asked, rested = CheckpointWriter(background=True), [], []
    usual = writer.is_awaited.wait
    monkeypatch.setattr(writer.is_awaited, "wait", lambda seconds: asked.append(seconds) or usual(seconds))
    for count in (1, 2):
        writer.write(lambda: rested.append(writer.pause(60.0)))
        assert len(rested) == count - 1
        writer.wait()
        assert rested == [True] * count
    assert asked == pytest.approx([540, 540])
    writer.close()
