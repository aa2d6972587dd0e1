"""Citation graphs: assembled as published, and never a pickle that could run code."""

import io
import os
import pickle
import struct
from collections import defaultdict

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from groundup.data.graphs.planetoid import planetoid


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def pickled(value):
    """As the upstream files are: protocol 2, with the module names of their time."""
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    content = file.getvalue()
    for now, then in ((b"scipy.sparse._csr", b"scipy.sparse.csr"), (b"numpy._core", b"numpy.core")):
        content = content.replace(now, then)
    return content


@pytest.fixture
def tiny(put):
    """Two labelled nodes, one more without a test, and test nodes 5, 3 in that order; node 4 is in no file."""

    def features(rows):
        return pickled(csr_matrix(np.array(rows, dtype=np.float32)))

    def labels(rows):
        return pickled(np.eye(2, dtype=np.int32)[rows])

    graph = defaultdict(list, {0: [1, 1, 2], 1: [0], 2: [2, 5], 5: [2], 3: [], 4: []})
    parts = {
        "x": features([[1, 0, 0], [0, 1, 0]]),
        "y": labels([0, 1]),
        "allx": features([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        "ally": labels([0, 1, 1]),
        "tx": features([[1, 1, 0], [0, 1, 1]]),
        "ty": labels([1, 0]),
        "graph": pickled(graph),
        "test.index": b"5\n3\n",
    }
    for part, content in parts.items():
        put(f"planetoid/ind.cora.{part}", content)
    return put


def test_the_parts_are_put_where_they_belong(tiny):
    graph = planetoid("cora")
    assert graph.x.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 0]]
    assert graph.y.tolist() == [0, 1, 1, 0, 0, 1]
    assert graph.edges.T.tolist() == [[0, 1], [0, 2], [1, 0], [2, 0], [2, 5], [5, 2]]  # once each, no loop
    assert graph.masks["train"].nonzero().flatten().tolist() == [0, 1]
    assert graph.masks["test"].nonzero().flatten().tolist() == [3, 5]
    adjacency = graph.adj
    assert adjacency.is_sparse
    assert torch.equal(adjacency.to_dense(), adjacency.to_dense().T)
    assert adjacency.to_dense().sum() == 6


def test_a_pickle_that_could_run_code_is_refused(tiny):
    class Code:
        def __reduce__(self):
            return os.system, ("true",)

    tiny("planetoid/ind.cora.graph", pickle.dumps(Code(), protocol=2))
    with pytest.raises(ValueError, match=r"asks for posix\.system, which is no data"):
        planetoid("cora")


def test_a_truncated_file_is_named(tiny):
    tiny("planetoid/ind.cora.allx", pickled(csr_matrix(np.eye(3)))[:-20])
    with pytest.raises(ValueError, match=r"ind\.cora\.allx is no Planetoid file"):
        planetoid("cora")


def test_an_unknown_name():
    with pytest.raises(ValueError, match="name must be one of 'cora'"):
        planetoid("dblp")


def test_cora_is_what_everyone_reports(real):
    real(*(f"planetoid/ind.cora.{part}" for part in ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index")))
    graph = planetoid("cora")
    assert graph.x.shape == (2708, 1433)
    assert graph.edges.size(1) == 2 * 5278
    assert [int(mask.sum()) for mask in graph.masks.values()] == [140, 500, 1000]
    assert graph.y[graph.masks["train"]].bincount().tolist() == [20] * 7
