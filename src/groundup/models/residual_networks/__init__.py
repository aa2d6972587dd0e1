"""Residual networks: ResNet, ResNeXt, their gated forms, and DenseNet."""

from groundup.models.residual_networks.densenet import DenseNet, DenseNet121
from groundup.models.residual_networks.resnet import ResNet, ResNet34, ResNet50, ResNeXt50, SEResNet50, SEResNeXt50

__all__ = ["ResNet", "ResNet34", "ResNet50", "ResNeXt50", "SEResNet50", "SEResNeXt50", "DenseNet", "DenseNet121"]
