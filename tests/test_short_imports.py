"""`from groundup.models import ResNet50` works, and `import groundup` alone loads none of it."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import groundup
from groundup import models
from groundup.component import all_components

PROGRAM = """
import sys
import torch
before = set(sys.modules)
import groundup
print(len(set(sys.modules) - before), *sorted(m for m in sys.modules if m.startswith("groundup.")))
print(groundup.models.ResNet50.__name__, groundup.layers.Linear.__name__)
from groundup.models import GPT2
print(GPT2.__module__)
print(*{m.split(".")[0] for m in sys.modules} & {"torchvision", "matplotlib", "pooch", "transformers", "timm", "PIL"})
"""


def test_import_groundup_is_light():
    """Modules are counted, not seconds. The models come when they are asked for, and heavy libraries not even then."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stderr == ""
    alone, names, gpt2, heavy = done.stdout.split("\n")[:4]
    count, *rooms = alone.split()
    assert int(count) < 10
    assert not {"groundup.models", "groundup.layers", "groundup.functional", "groundup.data"} & set(rooms)
    assert names == "ResNet50 Linear"
    assert gpt2 == "groundup.models.transformer_networks.gpt"
    assert heavy == ""


@pytest.mark.parametrize("component", [c for c in all_components() if ".models." in c.module], ids=lambda c: c.name)
def test_every_model_can_be_imported_by_its_name(component):
    assert getattr(models, component.name) is component.made
    assert component.name in dir(models)


def test_families_agree_on_what_a_name_means():
    """A name that two families export is one thing: which of them is found does not matter."""
    families = [importlib.import_module(f"{models.__name__}.{f.name}") for f in pkgutil.iter_modules(models.__path__)]
    for family in families:
        for name in getattr(family, "__all__", ()):
            assert getattr(models, name) is getattr(family, name)


def test_a_type_checker_sees_every_family():
    source = Path(models.__file__).read_text(encoding="utf-8")
    for family in pkgutil.iter_modules(models.__path__):
        assert not family.ispkg or f"from groundup.models.{family.name} import *" in source


def test_an_unknown_name_is_an_attribute_error():
    for place, name in ((models, "ResNet51"), (groundup, "modles")):
        assert not hasattr(place, name)
    with pytest.raises(ImportError, match="cannot import name 'ResNet51'"):
        from groundup.models import ResNet51  # noqa: F401
    assert {"models", "layers", "backend"} <= set(dir(groundup))
