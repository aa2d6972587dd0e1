"""The rows of all files of this folder; a new file is found without being listed.

CASES            components: how to build them, their inputs, their oracle, the grid of their options
FUNCTION_CASES   two-bodied functions, likewise
BENCHMARKS       comparisons with what one would use instead: our unit of work and the peer's
BAD_INPUTS       (component, call, error, words that the message must contain)
REQUIRED         component: the required arguments of its constructor, where they are not one size
"""

import pkgutil
from importlib import import_module

import rows

_names = [file.name for file in pkgutil.iter_modules(rows.__path__) if file.name not in ("registry", "oracles")]
_files = [import_module(f"rows.{name}") for name in _names]


def _gather(name):
    return [row for file in _files for row in getattr(file, name, [])]


CASES, FUNCTION_CASES, BENCHMARKS, BAD_INPUTS = map(_gather, ("CASES", "FUNCTION_CASES", "BENCHMARKS", "BAD_INPUTS"))
COMPONENTS_WITH_CASES = {case.component for case in CASES}
REQUIRED = {name: arguments for file in _files for name, arguments in getattr(file, "REQUIRED", {}).items()}
