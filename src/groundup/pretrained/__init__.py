"""The world's published weights, under our names: tables, applied strictly and in both directions."""

from groundup.pretrained.table import Absent, Drop, Row, Table, WeightError, to_ours, to_theirs

__all__ = ["Absent", "Drop", "Row", "Table", "WeightError", "to_ours", "to_theirs"]
