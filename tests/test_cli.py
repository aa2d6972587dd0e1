"""The command line, as a person types it."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from groundup.catalogue import COMPONENTS, find
from programs import python


def groundup(*arguments):
    return python("-m", "groundup.cli", *arguments)


def test_list_names_every_component():
    done = groundup("list")
    assert done.returncode == 0
    assert all(c.name in done.stdout for c in COMPONENTS)
    assert done.stderr == ""


def test_list_one_family():
    done = groundup("list", "--family", "convolutional")
    assert "LeNet5" in done.stdout
    assert "Conv2dGroups" not in done.stdout
    assert "there is no family 'conv'" in groundup("list", "--family", "conv").stderr


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
        (("list", "--family", "layer"), "there is no family 'layer'; choose one of "),
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


def test_the_catalogue_is_sound():
    """Numbers and names are unique, every class loads, and every model can be shown."""
    assert len({c.number for c in COMPONENTS}) == len(COMPONENTS)
    assert len({c.name for c in COMPONENTS}) == len(COMPONENTS)
    for component in COMPONENTS:
        assert component.load().__name__ == component.name
        assert component.load().__doc__, component.name
        assert component.source.is_file()
        assert component.url.startswith("https://")
        if component.family in ("convolutional", "residual"):
            assert component.input_size
            assert component.figures
