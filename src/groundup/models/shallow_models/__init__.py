"""Shallow models: linear scores with different losses, each with a solver for its minimum."""

from groundup.models.shallow_models.frame import Fit
from groundup.models.shallow_models.multiclass import (
    MulticlassPerceptron,
    MulticlassSVM,
    MultinomialLogisticRegression,
)
from groundup.models.shallow_models.two_class import SVM, LeastSquareRegression, LogisticRegression, Perceptron

__all__ = [
    "Perceptron",
    "SVM",
    "LeastSquareRegression",
    "LogisticRegression",
    "MulticlassPerceptron",
    "MulticlassSVM",
    "MultinomialLogisticRegression",
    "Fit",
]
