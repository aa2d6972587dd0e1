"""Published weights under our names: weight maps, applied strictly and in both directions; saved models."""

from groundup.weights.matching import load_weights
from groundup.weights.pretrained import Pretrained
from groundup.weights.registry import Preprocessing, Published, class_names, published_weights
from groundup.weights.saving import save_weights
from groundup.weights.weight_files import Weights, open_weights
from groundup.weights.weight_map import Absent, Derived, Drop, Row, Table, WeightError, to_ours, to_theirs

__all__ = [
    "Pretrained", "Published", "Preprocessing", "published_weights", "class_names",
    "open_weights", "Weights", "load_weights", "save_weights",
    "Row", "Drop", "Absent", "Derived", "Table", "WeightError", "to_ours", "to_theirs",
]  # fmt: skip
