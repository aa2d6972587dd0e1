"""Checkpoints: damage is found and reported, disks that are full leave the old ones whole, tied tensors stay tied."""

import json
import os
import re
import resource
import shutil

import pytest
import torch
from torch import nn
from training_toy import make_model, make_trainer, weights

from groundup.training import CheckpointError, load_best
from groundup.training.checkpoint import Checkpoints, find_damage
from groundup.training.checkpoint_files import read_model, write_model


def truncate(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


def flip(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))


def delete(folder, name):
    (folder / name).unlink()


def garble(folder, name):
    (folder / name).write_bytes(b"\xff\x00 garbage")


def forge(folder, name):
    """A table that is valid JSON and matches its own checksum, but knows one file only."""
    content = json.loads((folder / name).read_text())
    del content["files"]["state.pt"]
    (folder / name).write_text(json.dumps(content))


DAMAGE = [
    (truncate, "model.safetensors", "model.safetensors has .* bytes, .* were written"),
    (flip, "model.safetensors", "model.safetensors does not match its checksum"),
    (delete, "model.safetensors", "model.safetensors cannot be read"),
    (truncate, "state.pt", "state.pt has .* bytes, .* were written"),
    (flip, "state.pt", "state.pt does not match its checksum"),
    (delete, "state.pt", "state.pt cannot be read"),
    (garble, "checksums.json", "checksums.json is garbled"),
    (truncate, "checksums.json", "checksums.json is garbled"),
    (flip, "checksums.json", "checksums.json (is garbled|does not match its own checksum)"),
    (forge, "checksums.json", "checksums.json does not match its own checksum"),
    (delete, "checksums.json", "checksums.json cannot be read"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of nine steps, its weights and its log."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    trainer = make_trainer(run_dir, keep=3)
    trainer.fit()
    return run_dir, weights(trainer.model), (run_dir / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize(("harm", "name", "report"), DAMAGE)
def test_a_damaged_checkpoint_is_reported_and_the_one_before_it_used(tmp_path, capsys, finished, harm, name, report):
    run_dir = tmp_path / "run"
    shutil.copytree(finished[0], run_dir)
    harm(run_dir / "checkpoints" / "step-000009", name)
    trainer = make_trainer(run_dir, keep=3)
    trainer.fit(resume=True)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "damaged" in line]
    assert re.search(f"step-000009 is damaged: {report}.*; using the one before it", line)
    assert weights(trainer.model) == finished[1]
    assert (run_dir / "metrics.jsonl").read_bytes() == finished[2]
    assert find_damage(run_dir / "checkpoints" / "step-000009") is None  # written again
    assert (run_dir / "checkpoints" / "damaged-step-000009").exists()


def test_every_flipped_bit_of_the_table_is_found(finished, tmp_path):
    folder = tmp_path / "step-000009"
    shutil.copytree(finished[0] / "checkpoints" / "step-000009", folder)
    assert find_damage(folder) is None
    whole = (folder / "checksums.json").read_bytes()
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << (position % 8)
        (folder / "checksums.json").write_bytes(bytes(flipped))
        assert find_damage(folder) is not None, position


def test_none_good_is_an_error(tmp_path, finished, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(finished[0], run_dir)
    for folder in (run_dir / "checkpoints").iterdir():
        flip(folder, "state.pt")
    with pytest.raises(CheckpointError, match=r"all checkpoints in .* are damaged \(steps .*9\)"):
        make_trainer(run_dir).fit(resume=True)
    with pytest.raises(CheckpointError, match="are damaged"):
        load_best(make_model(), run_dir)


def test_keep_counts_the_newest_and_leaves_the_best(tmp_path):
    checkpoints, model = Checkpoints(tmp_path, keep=2), make_model()
    for step in range(1, 7):
        checkpoints.save(step, model, {"position": {}}, best=2 if step >= 2 else None)
    assert checkpoints.steps() == [2, 5, 6]


def test_others_may_read_it(tmp_path):
    before = os.umask(0o022)
    try:
        path = Checkpoints(tmp_path).save(1, nn.Linear(2, 2), {})
    finally:
        os.umask(before)
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.iterdir() if file.is_file()} == dict.fromkeys(
        ("model.safetensors", "state.pt", "checksums.json"), "0o644"
    )


def test_leftovers_of_a_death_while_saving_are_cleaned(tmp_path):
    leftover = tmp_path / "r" / "checkpoints" / ".tmp-000002"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    make_trainer(tmp_path / "r").fit()
    assert not leftover.exists()


def test_a_disk_error_leaves_the_old_checkpoints_and_says_what_to_do(tmp_path):
    """The limit on file sizes stands in for a full disk: the kernel refuses the write."""
    checkpoints = Checkpoints(tmp_path / "r" / "checkpoints")
    small, large = nn.Linear(4, 4), nn.Linear(1000, 1000)
    checkpoints.save(1, small, {"position": {}})
    for model, state in ((large, {}), (small, {"tensor": torch.zeros(10**6)})):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, hard))
        try:
            with pytest.raises(CheckpointError, match=r"step 2 could not be written to .*r/checkpoints.*resume=True"):
                checkpoints.save(2, model, state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [path.name for path in checkpoints.folder.iterdir()] == ["step-000001"]
        assert find_damage(checkpoints.path(1)) is None


def test_state_that_is_not_plain_is_refused_when_saved_not_when_needed(tmp_path):
    with pytest.raises(CheckpointError, match="step 1 could not be written"):
        Checkpoints(tmp_path).save(1, nn.Linear(1, 1), {"scheduler": Checkpoints(tmp_path)})
    assert list(tmp_path.iterdir()) == []


class Awkward(nn.Module):
    """Tied, sliced, transposed, empty and buffered tensors."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)
        self.head = nn.Linear(4, 6)
        self.head.weight = self.embedding.weight
        whole = torch.randn(4, 6)
        self.register_buffer("left", whole[:, :3])
        self.register_buffer("right", whole[:, 3:])
        self.register_buffer("turned", torch.randn(3, 5).T)
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("nothing", torch.zeros(0, 2))
        self.register_buffer("halves", torch.randn(3, dtype=torch.bfloat16))
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)


def test_tied_and_odd_tensors_round_trip(tmp_path):
    source, target = Awkward(), Awkward()
    write_model(source, tmp_path / "m")
    read_model(target, tmp_path / "m")
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name
    assert target.head.weight is target.embedding.weight
    from safetensors.torch import load_file  # any reader of the format sees the tie once

    assert ("head.weight" in load_file(tmp_path / "m")) + ("embedding.weight" in load_file(tmp_path / "m")) == 1


def test_a_tied_model_trains_and_resumes(tmp_path):
    def tied():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        model[2].weight = model[0].weight
        return model

    whole = make_trainer(tmp_path / "a", tied(), evaluate=None, scheduler=None)
    whole.fit()
    make_trainer(tmp_path / "b", tied(), evaluate=None, scheduler=None, epochs=1).fit()
    resumed = make_trainer(tmp_path / "b", tied(), evaluate=None, scheduler=None)
    resumed.fit(resume=True)
    assert weights(resumed.model) == weights(whole.model)


def test_another_architecture_is_refused_by_name(tmp_path):
    write_model(nn.Linear(4, 2), tmp_path / "m")
    with pytest.raises(RuntimeError, match="weight"):
        read_model(nn.Linear(4, 3), tmp_path / "m")
    with pytest.raises(RuntimeError, match="bias"):
        read_model(nn.Linear(4, 2, bias=False), tmp_path / "m")


def test_load_best_says_why_it_cannot(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        load_best(make_model(), tmp_path)
    make_trainer(tmp_path / "r", evaluate=None).fit()
    with pytest.raises(CheckpointError, match="was not evaluated"):
        load_best(make_model(), tmp_path / "r")
