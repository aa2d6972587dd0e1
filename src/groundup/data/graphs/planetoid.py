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
from groundup.data.graphs.graph import Graph
from groundup.data.tables.encoder import Encoder, numbered_columns

#: SHA-256 of the files of the two larger graphs; the table of `groundup.data.download` has Cora's.
_SHA256 = {
    "citeseer.x": "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
    "citeseer.tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
    "citeseer.allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
    "citeseer.y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
    "citeseer.ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
    "citeseer.ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
    "citeseer.graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
    "citeseer.test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
    "pubmed.x": "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33",
    "pubmed.tx": "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
    "pubmed.allx": "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
    "pubmed.y": "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
    "pubmed.ty": "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
    "pubmed.ally": "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
    "pubmed.graph": "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
    "pubmed.test.index": "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
}
_ADDRESS = "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/"
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
    """A part of a graph, from the cache or else downloaded, its SHA-256 checked either way."""
    path = f"planetoid/ind.{name}.{part}"
    if path in FILES:
        return fetch(path)
    return retrieve(path, RemoteFile(0, _SHA256[f"{name}.{part}"], (f"{_ADDRESS}ind.{name}.{part}",)))


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
