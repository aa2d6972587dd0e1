"""The run folder: one writer, one configuration, and a free name."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from training_toy import make_trainer

from groundup.training import RunFolderError, holds_run, latest_run_dir, next_run_dir
from groundup.training.run_folder import claim_folder, lock_folder, to_plain


def started(path):
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    return path


def test_names_of_new_and_latest_runs(tmp_path):
    base = tmp_path / "digits"
    assert next_run_dir(base) == latest_run_dir(base) == base
    started(base)
    assert (next_run_dir(base), latest_run_dir(base)) == (tmp_path / "digits-2", base)
    (tmp_path / "digits-2").mkdir()  # an empty folder holds no run
    assert (next_run_dir(str(base)), latest_run_dir(str(base))) == (tmp_path / "digits-2", base)
    for number in (2, 3, 10):
        (tmp_path / f"digits-{number}").exists() or started(tmp_path / f"digits-{number}")
    started(tmp_path / "digits-large")
    assert latest_run_dir(base) == tmp_path / "digits-10"
    assert not holds_run(tmp_path / "digits-2")


def test_a_second_run_in_a_folder_is_refused_with_a_way_out(tmp_path):
    make_trainer(tmp_path / "r").fit()
    before = (tmp_path / "r" / "metrics.jsonl").read_bytes()
    with pytest.raises(RunFolderError, match=r"already holds a run: go on with --resume, or fit\(resume=True\).*r-2"):
        make_trainer(tmp_path / "r").fit()
    assert (tmp_path / "r" / "metrics.jsonl").read_bytes() == before


def test_a_live_folder_refuses_a_second_process_until_the_first_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from groundup.training.run_folder import lock_folder\n"
        "with lock_folder(Path(sys.argv[1])): print('held', flush=True); time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path / "r"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            for resume in (False, True):
                with pytest.raises(RunFolderError, match=f"is in use by process {process.pid}; wait for it"):
                    make_trainer(tmp_path / "r").fit(resume=resume)
        finally:
            process.kill()
            process.wait()
    assert make_trainer(tmp_path / "r").fit().steps == 9


def test_a_forked_worker_does_not_hold_the_lock(tmp_path):
    born, birth = os.pipe()
    with lock_folder(tmp_path):
        child = os.fork()
        if child == 0:
            os.write(birth, b"!")
            time.sleep(3600)
            os._exit(0)
        os.read(born, 1)
    try:
        with lock_folder(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(born)
        os.close(birth)


def test_a_folder_that_cannot_be_made_is_an_error_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"file/r cannot be written .*choose another run_dir"):
        make_trainer(tmp_path / "file" / "r", objective=lambda m, b: pytest.fail("it trained")).fit()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_an_error_before_training(tmp_path):
    (tmp_path / "r").mkdir(mode=0o500)
    with pytest.raises(RunFolderError, match="cannot be written"):
        make_trainer(tmp_path / "r", objective=lambda m, b: pytest.fail("it trained")).fit()


def test_config_as_plain_types():
    @dataclass
    class Config:
        data: Path
        sizes: tuple[int, int] = (1, 2)

    assert to_plain(Config(Path("a/b"))) == {"data": "a/b", "sizes": [1, 2]}
    with pytest.raises(TypeError, match="config must be a dataclass instance or a dict"):
        to_plain(3)


def test_every_difference_is_named(tmp_path):
    assert claim_folder(tmp_path, {"a": 1, "b": {"c": [1], "d": None}, "old": 1}, resume=False) is False
    assert claim_folder(tmp_path, {"a": 1, "b": {"c": [1], "d": None}, "old": 1}, resume=True) is True
    expected = r"b\.c: saved \[1\], given \[2\]; old: saved 1, given null; new: saved null, given true\. Resume with"
    with pytest.raises(ValueError, match=expected):
        claim_folder(tmp_path, {"a": 1, "b": {"c": [2], "d": None}, "new": True}, resume=True)


def test_an_unreadable_config_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"config\.json, which says what this run is, cannot be read"):
        claim_folder(tmp_path, {}, resume=True)
