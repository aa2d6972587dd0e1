"""Pickles of published data sets, read without running code.

A pickle is a program: it may import and call anything. `DataUnpickler` lets it build arrays and containers only.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from typing import Any

import numpy as np

_reconstruct = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,  # its name before NumPy 2
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class SparseMatrix:
    """Stand-in for scipy's csr_matrix: the state of a pickled one, without scipy."""

    def dense(self) -> np.ndarray:
        """Return the matrix (rows, columns) as a float32 array."""
        state: dict[str, Any] = self.__dict__
        rows, columns = state["_shape"]
        result = np.zeros((rows, columns), dtype=np.float32)
        result[np.repeat(np.arange(rows), np.diff(state["indptr"])), state["indices"]] = state["data"]
        return result


#: Globals that the graphs of Planetoid contain besides arrays.
GRAPH_GLOBALS = {
    ("scipy.sparse.csr", "csr_matrix"): SparseMatrix,
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
}


class DataUnpickler(pickle.Unpickler):
    """Unpickler of numbers, strings, containers and NumPy arrays.

    Args:
        file: binary file object.
        encoding: encoding of the strings of Python 2; "bytes" leaves them as bytes.
        also: further globals that the pickle may contain, as {(module, name): object}.

    Raises `pickle.UnpicklingError`, naming it, for any other global.

    Example:
        >>> import io
        >>> DataUnpickler(io.BytesIO(pickle.dumps(np.arange(3))), "ASCII").load()
        array([0, 1, 2])
    """

    def __init__(self, file: Any, encoding: str, also: dict[tuple[str, str], Any] | None = None) -> None:
        super().__init__(file, encoding=encoding)
        self.allowed = _ALLOWED | (also or {})

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed global; `pickle` calls this for every global of the file."""
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}, which is no data; it is not loaded, as it could run code"
            )
        return self.allowed[module, name]
