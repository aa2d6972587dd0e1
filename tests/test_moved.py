"""Import paths of earlier versions still work, and give the module of the new path itself."""

import importlib
import sys

import pytest

from groundup._moved import MOVED, new_path


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_path_imports_the_module_of_the_new_one(old):
    new = importlib.import_module(f"groundup.{MOVED[old]}")
    spec = new.__spec__
    sys.modules.pop(f"groundup.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"groundup.{old} is now groundup.{MOVED[old]}"):
        assert importlib.import_module(f"groundup.{old}") is new
    assert new.__spec__ is spec
    assert new.__name__ == f"groundup.{MOVED[old]}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_path_hides_no_function(old):
    """Importing a submodule sets it as an attribute of its package, in place of a function of that name."""
    package, _, name = f"groundup.{old}".rpartition(".")
    exported = vars(importlib.import_module(package)).get(name)
    assert exported is None or isinstance(exported, type(sys))


def test_what_a_moved_package_holds_moves_with_it():
    assert new_path("groundup.pretrained.table") == "groundup.weights.weight_map"
    assert new_path("groundup.decoding.generation") == "groundup.generation.sampling"
    assert new_path("groundup.layers") is None


def test_an_unknown_module_is_still_an_import_error():
    with pytest.raises(ModuleNotFoundError, match=r"groundup\.decodings"):
        importlib.import_module("groundup.decodings")
