"""Convolutional networks, from LeNet-5 on."""

from groundup.models.convolutional_networks.alexnet import AlexNet
from groundup.models.convolutional_networks.googlenet import GoogLeNet, GoogLeNetOutputs
from groundup.models.convolutional_networks.lenet import LeNet5
from groundup.models.convolutional_networks.nin import NetworkInNetwork
from groundup.models.convolutional_networks.plain import DeepPlainCNN
from groundup.models.convolutional_networks.simple import SimpleCNN, SimpleFullyCNN
from groundup.models.convolutional_networks.vgg import VGG, VGG16

__all__ = [
    "SimpleCNN",
    "SimpleFullyCNN",
    "LeNet5",
    "AlexNet",
    "NetworkInNetwork",
    "VGG",
    "VGG16",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "DeepPlainCNN",
]
