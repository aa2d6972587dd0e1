"""Citation graphs: papers, the words they hold, who cites whom, and the split that everyone reports.

Yang, Cohen and Salakhutdinov 2016, Revisiting Semi-Supervised Learning with Graph Embeddings, arXiv:1603.08861, whose
files these are. They are pickles; here nothing but arrays, matrices, lists and dicts can come out of one.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundup import checks
from groundup.data.download import FILES, RemoteFile, fetch, retrieve
from groundup.data.encoder import Encoder, numbered_columns
from groundup.data.graphs import Graph

ADDRESS = "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/"
NAMES = ("cora", "citeseer", "pubmed")


def planetoid(name: str = "cora", shares: bool = False) -> Graph:
    """The graph with its public split: 20 training nodes a class, the next 500 to validate, the listed 1,000 to test.

        name     "cora": 2,708 papers of 7 classes; "citeseer": 3,327 of 6; "pubmed": 19,717 of 3
        shares   divide what is counted of each paper's words by its sum, as Kipf and Welling 2017 do

    a_ij = 1 where paper i cites paper j or is cited by it, none to itself; masks "train", "validation" and "test".
    A paper of Citeseer that the files say nothing about has x = 0 and y = 0, and is in none of the masks.

    Raises `ValueError` for a name that is not there, or for a file that holds something else than data.
    """
    checks.choice("name", name, NAMES)
    part = {key: _read(_file(name, key)) for key in ("x", "y", "tx", "ty", "allx", "ally", "graph")}
    test = torch.from_numpy(np.loadtxt(_file(name, "test.index"), dtype=np.int64))

    # Rows of tx belong to the nodes that test.index lists; a node that it leaves out, and no other file has, is zero.
    known, nodes = len(part["allx"]), int(test.max()) + 1
    x = torch.zeros(nodes, part["allx"].shape[1])
    x[:known], x[test] = torch.from_numpy(part["allx"]), torch.from_numpy(part["tx"])
    one_hot = torch.zeros(nodes, part["ally"].shape[1])
    one_hot[:known], one_hot[test] = torch.from_numpy(part["ally"]).float(), torch.from_numpy(part["ty"]).float()

    pairs = torch.tensor([(i, j) for i, others in part["graph"].items() for j in others if i != j])
    labelled = len(part["x"])
    train, validation, held_out = torch.zeros(3, nodes, dtype=torch.bool)
    train[:labelled] = validation[labelled : labelled + 500] = held_out[test] = True
    masks = {"train": train, "validation": validation, "test": held_out}
    classes = tuple(f"class {i}" for i in range(one_hot.size(1)))
    encoder = Encoder(numbered_columns(x.size(1)), classes, shares=shares)
    return Graph.from_edges(
        pairs, x=encoder.scaled(x.double()), y=one_hot.argmax(1), masks=masks, name=name, encoder=encoder
    )


def _file(name: str, part: str) -> Path:
    """A part of a graph. Of Cora's the hashes are checked; no one states those of the others, and nothing is run."""
    path = f"planetoid/ind.{name}.{part}"
    if path in FILES:
        return fetch(path)
    return retrieve(path, RemoteFile(0, "", (f"{ADDRESS}ind.{name}.{part}",)))


class _Matrix:
    """Stands in for scipy's csr_matrix, whose state is all that is needed of it."""

    def dense(self) -> np.ndarray:
        state: dict[str, Any] = self.__dict__
        rows, columns = state["_shape"]
        result = np.zeros((rows, columns), dtype=np.float32)
        result[np.repeat(np.arange(rows), np.diff(state["indptr"])), state["indices"]] = state["data"]
        return result


class _DataOnly(pickle.Unpickler):
    """Loads these six kinds of thing; a pickle that names any other, which could run code, is refused."""

    allowed = {  # noqa: RUF012
        ("scipy.sparse.csr", "csr_matrix"): _Matrix,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("collections", "defaultdict"): defaultdict,
        ("__builtin__", "list"): list,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise ValueError(f"the file asks for {module}.{name}, which is no data: it is not a Planetoid file")
        return self.allowed[module, name]


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            value = _DataOnly(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is no Planetoid file: {error}") from error
    return value.dense() if isinstance(value, _Matrix) else value
