"""The world's published weights, under our names: tables, applied strictly and in both directions."""

from groundup.weights.classes import class_names
from groundup.weights.files import Weights, open_weights
from groundup.weights.loading import load_weights
from groundup.weights.model import Pretrained
from groundup.weights.published import Preprocessing, Published
from groundup.weights.registry import published_weights
from groundup.weights.saving import save_weights
from groundup.weights.table import Absent, Derived, Drop, Row, Table, WeightError, to_ours, to_theirs

__all__ = [
    "Pretrained",
    "published_weights",
    "Published",
    "Preprocessing",
    "class_names",
    "open_weights",
    "Weights",
    "load_weights",
    "save_weights",
    "Row",
    "Drop",
    "Absent",
    "Derived",
    "Table",
    "WeightError",
    "to_ours",
    "to_theirs",
]
