"""The command line, as a person types it."""

import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from groundup.cli import main
from groundup.component import FAMILIES, all_components, by_family, find
from groundup.tools.describe import component_page, reflow
from groundup.weights import published_weights


def groundup(*arguments):
    """What the command prints into a pipe, in this process: another interpreter takes seconds to import PyTorch."""
    out, err, code = StringIO(), StringIO(), 0
    with patch.object(sys, "argv", ["groundup", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue(), returncode=code)


def test_list_names_every_component():
    done = groundup("list")
    assert done.returncode == 0
    assert all(c.name in done.stdout for c in all_components())
    assert done.stderr == ""


def test_list_one_family():
    done = groundup("list", "--family", "convolutional")
    assert "LeNet5" in done.stdout
    assert "Conv2dGroups" not in done.stdout
    assert "there is no family 'conv'" in groundup("list", "--family", "conv").stderr


@pytest.mark.parametrize("key", FAMILIES)
def test_a_family_is_named_as_list_names_it(key):
    """By the heading that `list` prints, its key or its module, in any case."""
    (rows,) = by_family(key).values()
    title, package = FAMILIES[key]
    for name in (title, title.upper(), key.upper(), package, package.rpartition(".")[2]):
        assert by_family(name) == {title: rows}


def test_a_near_family_is_suggested():
    with pytest.raises(ValueError, match="there is no family 'graf network'; did you mean Graph networks"):
        by_family("graf network")


def test_list_weights_has_every_name_that_can_be_loaded():
    done = groundup("list", "--weights")
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {row.name for row in published_weights() if row.address} | {"gpt2", "gpt2-xl"} <= listed
    assert "torchvision/googlenet.aux" not in listed  # a name for saving: nothing is published under it
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.returncode == 0


def test_list_weights_of_one_family():
    done = groundup("list", "--weights", "--family", "Visual transformers")
    assert "google/vit-base-patch16-224" in done.stdout
    assert "resnet" not in done.stdout
    assert "no weights are published for Graph networks" in groundup("list", "--weights", "--family", "graph").stderr


def test_show_lenet():
    done = groundup("show", "lenet5")
    assert done.returncode == 0
    assert "16 × 10 × 10" in done.stdout
    assert "1,516" in done.stdout
    assert "60,000" in done.stdout
    assert "340,908" in done.stdout
    assert done.stderr == ""
    assert "61,706" in groundup("show", "LeNet5", "--preset", "simplified").stdout


def test_show_a_layer():
    done = groundup("show", "Conv2d")
    assert "padding_mode='zeros'" in done.stdout
    assert "torch.nn.Conv2d" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["total", "Conv2d", "16", "×", "32", "×", "32", "448", "442,368"]


def test_show_a_preset_of_a_language_model():
    lines = groundup("show", "gpt2", "--preset", "gpt2-xl").stdout.splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert rows["blocks.0–47"].split()[-2:] == ["1,475,558,400", "1,671,010,713,600"]
    assert "1024 × 50257  1,557,611,200" in rows["total"]


def test_show_a_model_of_several_inputs():
    done = groundup("show", "Transformer", "--depth", "2")
    assert "input 25, 25" in done.stdout
    assert "encoder.layers.0–5" in done.stdout
    assert "63,082,496" in done.stdout


WITHOUT_A_FORWARD_PASS = {"Pool2d", "KVCache"}


@pytest.mark.parametrize("component", all_components(), ids=lambda c: c.name)
def test_every_component_is_shown_in_80_columns(component):
    page = component_page(component)
    prose = [line for line in page.splitlines() if not line.startswith("    ") and "  source " not in line]
    assert [line for line in prose if len(line) > 80 and "https://" not in line] == []
    assert component.url in page
    assert component.made.__doc__.split()[0] in page
    if component.family != "optimizers" and component.name not in WITHOUT_A_FORWARD_PASS:
        (total,) = [line for line in page.splitlines() if line.startswith("total ")]
        assert component.name.startswith(total.split()[1].rstrip("…"))


def test_documentation_is_filled_and_its_columns_kept():
    text = """A sentence that is wider than a narrow terminal would like.

one      its meaning, wider than the terminal
two      short
mask: what may be seen, and a few words more
goes on at the margin

    code = kept(as_it_is, however_wide_it_may_be)

- the first of two things that are listed
- the second"""
    assert (
        reflow(text, 30)
        == """A sentence that is wider than
a narrow terminal would like.

one      its meaning, wider
         than the terminal
two      short
mask: what may be seen, and a
    few words more goes on at
    the margin

    code = kept(as_it_is, however_wide_it_may_be)

- the first of two things that
  are listed
- the second"""
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "Conv3d"), "did you mean Conv2d"),
        (("show", "LeNet5", "--preset", "modern"), "LeNet5 has no preset 'modern'"),
        (("show", "Linear", "--preset", "x"), "Linear has no presets"),
        (("show", "LeNet5", "--depth", "0"), "depth must be at least 1, got 0"),
        (("classify", "nowhere.jpg"), "there is no file nowhere.jpg"),
        (("classify", str(Path(__file__).parent)), "is a folder; name an image file in it"),
        (("classify", __file__), "cannot be read as an image"),
        (("classify", "nowhere.jpg", "--model", "resnet51"), "did you mean resnet50"),
        (("plan", "gpt3-175"), "GPT3 has no preset '175'; it has "),
        (("generate", "hello", "--temperature", "-1"), "temperature must be a finite number in [0.0, inf], got -1"),
        (("plan", "gpt2", "--peak", "0"), "peak must be above 0, got 0"),
        (("plan", "gpt2", "--memory", "0"), "memory must be above 0, got 0"),
        (("list", "--family", "layer"), "there is no family 'layer'; did you mean Layers? choose one of "),
        (("show", "SGD", "--preset", "x"), "SGD has no presets"),
        (("generate", "hello", "--model", str(Path(__file__).parent)), "there is no config.json in it"),
    ],
)
def test_a_mistake_is_one_line(arguments, words):
    """And nothing before it: what could be said at once is not said after half a page, or a download."""
    done = groundup(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert len(done.stderr) < 400


def test_plan_of_a_large_model():
    done = groundup("plan", "gpt3-175b", "--gpus", "1024", "--parallel", "fsdp=64", "--recompute")
    assert done.returncode == 0
    assert "174,604,259,328 parameters on 1,024 devices, each copy of the model on 64" in done.stdout
    assert "fits into 80 GB" in done.stdout
    assert done.stderr == ""


def test_no_arguments_is_a_call_for_help():
    done = groundup()
    assert done.returncode == 0
    assert "show" in done.stdout
    assert done.stderr == ""


def test_as_a_module_and_its_version():
    done = subprocess.run([sys.executable, "-m", "groundup", "--version"], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == (version("groundup"), 0)


def test_a_reader_may_stop_reading():
    """As `head` does: no traceback, no complaint."""
    command = [sys.executable, "-m", "groundup.cli", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as done:
        done.stdout.close()
        assert done.stderr.read() == ""
        assert done.wait() == 0


def test_find_ignores_case():
    assert find("lenet5").name == "LeNet5"


def test_the_records_are_sound():
    """Numbers and names are unique, every class loads, and every model can be shown."""
    assert len({c.number for c in all_components()}) == len(all_components())
    assert len({c.name for c in all_components()}) == len(all_components())
    for component in all_components():
        assert component.made.__name__ == component.name
        assert component.made.__doc__, component.name
        assert component.source.is_file()
        assert component.url.startswith("https://")
        if component.family in ("convolutional", "residual"):
            assert component.figures
