"""How cost grows: the fit, the page, and the growth of memory, which is the same at every run."""

import json

import pytest
import torch

from benchmarks.memory import peak_bytes
from benchmarks.scaling import GROWTHS, exponent, main
from groundup import backend

SMALL = {
    "tokens": (1024, 4096),
    "classes": (2048, 8192),
    "steps": (64, 256),
    "edges": (65536, 262144),
    "nodes": (1024, 4096),
}


def test_the_exponent_is_that_of_a_power():
    assert exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
    assert exponent([10, 1000], [5, 5]) == pytest.approx(0)


@pytest.mark.parametrize("growth", [g for g in GROWTHS if g.axis in SMALL], ids=lambda g: f"{g.name} by {g.axis}")
def test_memory_grows_as_said(growth):
    sizes = (256, 1024) if growth.name == "attention, as defined" else SMALL[growth.axis]
    with backend("auto"):  # "the kernel" is one
        grown = exponent(sizes, [peak_bytes(lambda s=s: growth.build(s), torch.device("cpu")) for s in sizes])
    assert growth.memory - 0.45 < grown < growth.memory + 0.2


def test_a_quick_run_writes_the_page_and_keeps_what_it_had(tmp_path, capsys):
    main(["LSTM", "--quick", "--out", str(tmp_path)])
    main(["depth", "--quick", "--out", str(tmp_path)])
    assert "LSTM by steps: time" in capsys.readouterr().out
    rows = json.loads((tmp_path / "scaling.json").read_text())["rows"]
    assert list(rows) == ["LSTM by steps", "GPT-2 of width 128 by depth"]
    page = (tmp_path / "scaling.md").read_text()
    assert "| LSTM | steps |" in page
    assert "| depth | 2 | 4 |" in page


def test_a_word_that_fits_nothing_names_what_there_is():
    with pytest.raises(SystemExit, match="LSTM by steps"):
        main(["LTSM"])
