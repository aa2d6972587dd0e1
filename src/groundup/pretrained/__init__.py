"""The world's published weights, under our names: tables, applied strictly and in both directions."""

from groundup.pretrained.classes import class_names
from groundup.pretrained.files import Weights, open_weights
from groundup.pretrained.loading import load_weights
from groundup.pretrained.model import Pretrained
from groundup.pretrained.published import Preprocessing, Published
from groundup.pretrained.registry import published_weights
from groundup.pretrained.saving import save_weights
from groundup.pretrained.table import Absent, Derived, Drop, Row, Table, WeightError, to_ours, to_theirs

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
