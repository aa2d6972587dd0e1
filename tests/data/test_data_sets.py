"""A data set is added by one file: it registers itself, and the loaders, their messages and `fetch` know it."""

import sys

import pytest

from groundup import data
from groundup.data import download, registry, vision

SOURCE = """
from groundup.data.download import register_files
from groundup.data.registry import IMAGES
from groundup.data import digits

register_files("squares", {"squares.gz": (3, "0" * 64)}, "https://data.invalid/")

@IMAGES.register("squares")
def squares(seed=0):
    return digits(seed)
"""


def test_a_file_in_a_room_registers_its_data_set(tmp_path, monkeypatch):
    (tmp_path / "squares.py").write_text(SOURCE)
    monkeypatch.setattr(vision, "__path__", [*vision.__path__, str(tmp_path)])
    try:
        registry.import_data_sets(data.__path__, data.__name__)
        assert data.load("squares", seed=3)[0].labels.equal(data.digits(3)[0].labels)
        assert download.FILES["squares/squares.gz"].addresses == ("https://data.invalid/squares.gz",)
        with pytest.raises(ValueError, match="'fashion_mnist', 'squares', or the path"):
            data.load("circles")
    finally:
        registry.IMAGES.pop("squares", None)
        download.FILES.pop("squares/squares.gz", None)
        sys.modules.pop("groundup.data.vision.squares", None)
        vars(vision).pop("squares", None)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (registry.IMAGES, {"digits", "mnist", "fashion_mnist", "cifar10"}),
        (registry.TABLES, {"breast cancer", "wine"}),
        (registry.TEXTS, {"python", "shakespeare"}),
        (registry.PAIRS, {"numbers", "multi30k"}),
        (registry.GRAPHS, {"cora", "citeseer", "pubmed", "karate_club", "planted"}),
        (registry.GRAPH_SETS, {"motifs", "MUTAG", "PTC", "PROTEINS", "IMDBBINARY", "ENZYMES"}),
    ],
    ids=["images", "tables", "texts", "pairs", "graphs", "graph sets"],
)
def test_the_data_sets_of_each_kind(kind, names):
    assert kind.keys() == names
