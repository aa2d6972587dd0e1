"""The models, one file per paper, in families.

Every name that a family exports can be imported from here, as in `from groundup.models import ResNet50`. The families
are imported when such a name is first asked for, not before.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors; at run time `__getattr__` finds the names
    from groundup.models.attention_networks import *
    from groundup.models.blocks import *
    from groundup.models.convolutional_networks import *
    from groundup.models.energy_based_models import *
    from groundup.models.graph_networks import *
    from groundup.models.recurrent_networks import *
    from groundup.models.residual_networks import *
    from groundup.models.shallow_models import *
    from groundup.models.transformer_networks import *
    from groundup.models.visual_transformers import *
else:

    def __getattr__(name):
        if not name.startswith("_"):
            for family in pkgutil.iter_modules(__path__):
                if family.ispkg:
                    module = importlib.import_module(f"{__name__}.{family.name}")
                    if name in module.__all__:
                        return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        families = [importlib.import_module(f"{__name__}.{f.name}") for f in pkgutil.iter_modules(__path__) if f.ispkg]
        return sorted({*globals(), *(name for family in families for name in family.__all__)})
