"""Deep learning from the ground up: every layer, optimizer and model written from its paper, proven, and fast."""

import importlib
import os
import pkgutil
import sys
from types import ModuleType

# PyTorch's threads wait for one another at the end of each operation. By default they wait in a loop that keeps their
# cores busy; on a machine that does other work as well, training then takes up to a hundred times as long. OpenMP
# reads this when PyTorch is first imported, so that it has no effect on programs that import torch before groundup.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from groundup._moved import MOVED, MovedFinder
from groundup.backend import UnsupportedCall, backend, current_backend

if os.environ.get("NO_COLOR"):  # https://no-color.org; the library that reads the flags has a variable of its own
    os.environ.setdefault("PYTHON_TYRO_ANSI_CODES", "False")

__version__ = "0.1.0"
__all__ = ["UnsupportedCall", "__version__", "backend", "current_backend"]

sys.meta_path.append(MovedFinder())
_modules = {module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")}


def __getattr__(name: str) -> ModuleType:
    """`groundup.models`, `groundup.layers`, ...: each is imported when it is first asked for."""
    if name in _modules or name in MOVED:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_modules})
