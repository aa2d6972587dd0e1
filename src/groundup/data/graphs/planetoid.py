"""Citation graphs: papers, their words, the citations between them, and the public split.

Yang, Cohen and Salakhutdinov 2016, Revisiting Semi-Supervised Learning with Graph Embeddings, arXiv:1603.08861. The
published files are pickles, which are read without running code.
"""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import numpy as np
import torch

from groundup import checks
from groundup.data.download import fetch, register_files
from groundup.data.graphs.graph import Graph
from groundup.data.pickles import GRAPH_GLOBALS, DataUnpickler, SparseMatrix
from groundup.data.registry import GRAPHS
from groundup.data.tables.encoder import Encoder, make_columns

_FILES = {
    "ind.cora.allx": (257_305, "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543"),
    "ind.cora.ally": (47_959, "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71"),
    "ind.cora.graph": (59_847, "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d"),
    "ind.cora.test.index": (5_000, "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875"),
    "ind.cora.tx": (148_025, "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a"),
    "ind.cora.ty": (28_135, "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad"),
    "ind.cora.x": (22_119, "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab"),
    "ind.cora.y": (4_054, "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1"),
    # sizes of the other two are not stated
    "ind.citeseer.x": (0, "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6"),
    "ind.citeseer.tx": (0, "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21"),
    "ind.citeseer.allx": (0, "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668"),
    "ind.citeseer.y": (0, "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924"),
    "ind.citeseer.ty": (0, "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce"),
    "ind.citeseer.ally": (0, "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95"),
    "ind.citeseer.graph": (0, "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7"),
    "ind.citeseer.test.index": (0, "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4"),
    "ind.pubmed.x": (0, "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33"),
    "ind.pubmed.tx": (0, "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d"),
    "ind.pubmed.allx": (0, "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e"),
    "ind.pubmed.y": (0, "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3"),
    "ind.pubmed.ty": (0, "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd"),
    "ind.pubmed.ally": (0, "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e"),
    "ind.pubmed.graph": (0, "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9"),
    "ind.pubmed.test.index": (0, "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5"),
}
register_files("planetoid", _FILES, "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/")

NAMES = ("cora", "citeseer", "pubmed")


def planetoid(name: str = "cora", shares: bool = False) -> Graph:
    """Return a citation graph with its public split.

    Args:
        name: "cora", 2,708 papers of 7 classes; "citeseer", 3,327 of 6; "pubmed", 19,717 of 3.
        shares: divide the word counts of each paper by their sum, as Kipf and Welling 2017 do.

    a_ij = 1 if paper i cites paper j or is cited by it; there are no self-loops. The masks are "train", 20 nodes per
    class, "validation", the next 500, and "test", the listed 1,000. Papers of Citeseer that are in no file have x = 0
    and y = 0, and are in no mask.

    Raises `ValueError` for an unknown name, and for a file that holds something else than data.
    """
    checks.choice("name", name, NAMES)
    part = {key: _read(name, key) for key in ("x", "y", "tx", "ty", "allx", "ally", "graph")}
    test = torch.from_numpy(np.loadtxt(fetch(f"planetoid/ind.{name}.test.index"), dtype=np.int64))

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
    encoder = Encoder(make_columns(x.size(1)), classes, shares=shares)
    return Graph.from_edges(
        pairs, x=encoder.scale_values(x.double()), y=one_hot.argmax(1), masks=masks, name=name, encoder=encoder
    )


for _name in NAMES:
    GRAPHS.register(_name)(partial(planetoid, _name, shares=True))


def _read(name: str, part: str) -> Any:
    path = fetch(f"planetoid/ind.{name}.{part}")
    try:
        with path.open("rb") as file:
            value = DataUnpickler(file, "latin1", GRAPH_GLOBALS).load()
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is no Planetoid file: {error}") from error
    return value.dense() if isinstance(value, SparseMatrix) else value
