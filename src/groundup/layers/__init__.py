"""Parameters around a function: the layers, one concept a file."""

from groundup.layers.activation import ReLU, ScaledTanh
from groundup.layers.convolution import Conv2d, Conv2dGroups
from groundup.layers.dropout import Dropout
from groundup.layers.linear import Flatten, Linear
from groundup.layers.normalization import BatchNorm, BatchNorm1d, BatchNorm2d
from groundup.layers.pooling import AvgPool2d, MaxPool2d, Pool2d

__all__ = [
    "Linear",
    "Flatten",
    "ReLU",
    "ScaledTanh",
    "Dropout",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Conv2dGroups",
    "Pool2d",
    "MaxPool2d",
    "AvgPool2d",
]
