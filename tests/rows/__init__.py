"""Every component's and function's rows, a file a family. A new family is a new file here; the sweeps find it.

CASES            components: how to build, their inputs, their oracle, the grid of their options
FUNCTION_CASES   two-bodied functions, likewise
BAD_INPUTS       (component, call, error, words that the message must hold)
REQUIRED         component: its constructor's required arguments, where they are not one size
"""

import pkgutil
from importlib import import_module

_files = [import_module(f"rows.{module.name}") for module in pkgutil.iter_modules(__path__)]


def _gather(name):
    return [row for file in _files for row in getattr(file, name, [])]


CASES, FUNCTION_CASES, BAD_INPUTS = map(_gather, ("CASES", "FUNCTION_CASES", "BAD_INPUTS"))
COMPONENTS_WITH_CASES = {case.component for case in CASES}
REQUIRED = {name: arguments for file in _files for name, arguments in getattr(file, "REQUIRED", {}).items()}
