"""Convolutional networks, from LeNet-5 on."""

from groundup.models.convolutional_networks.lenet import LeNet5

__all__ = ["LeNet5"]
