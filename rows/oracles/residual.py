"""torchvision's and timm's residual networks, narrow, with our names of their parameters."""

import torch
from timm.layers import create_classifier
from timm.models.senet import SENet
from torch import nn
from torchvision.models.densenet import _DenseBlock, _DenseLayer, _Transition
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from groundup.weights import Row, to_ours, to_theirs
from groundup.weights.residual import _kernel, _matrix

__all__ = ["BasicBlock", "Bottleneck", "_DenseBlock", "_DenseLayer", "_Transition"]

RESIDUAL = (
    Row("downsample.0", "shortcut.conv"),
    Row("downsample.1", "shortcut.bn"),
    Row("se_module.fc{i}.weight", "gate.fc{i}.weight", _matrix, _kernel),
    Row("se_module.fc{i}.bias", "gate.fc{i}.bias"),
    Row("conv{i}", "conv{i}"),
    Row("bn{i}", "bn{i}"),
)
DENSE = (
    Row("denselayer{l}.norm{i}", "layer{l}.bn{i}"),
    Row("denselayer{l}.conv{i}", "layer{l}.conv{i}"),
    Row("norm{i}", "bn{i}"),
    Row("conv{i}", "conv{i}"),
    Row("norm", "bn"),
    Row("conv", "conv"),
)


def translate_names(table, build, oracle):
    """Oracle and transfer of a Case, such that the oracle's state_dict has the names of what `build` builds."""

    def translate(module, state, prefix, metadata):
        if prefix == "":
            ours = to_ours(table, dict(state), build().state_dict())
            state.clear()
            state.update(ours)

    def made():
        module = oracle()
        module.register_state_dict_post_hook(translate)
        return module

    return {"oracle": made, "transfer": lambda state: to_theirs(table, state)}


def projection(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))


def move_stride(block):
    """He's first form of a bottleneck: the stride on the first 1 × 1."""
    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    return block


def caffe(resnet):
    """torchvision's ResNet, changed to the authors' own, in Caffe."""
    resnet.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    for block in resnet.modules():
        if isinstance(block, Bottleneck) and block.conv2.groups == 1:
            move_stride(block)
    return resnet


class NarrowResNet(ResNet):
    """torchvision's, of any width."""

    def __init__(self, block, depths, width, num_classes, groups=1, base_width=64):
        nn.Module.__init__(self)
        self._norm_layer, self.inplanes, self.dilation = nn.BatchNorm2d, width, 1
        self.groups, self.base_width = groups, base_width
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        for i, depth in enumerate(depths):
            made = self._make_layer(block, width * 2**i, depth, stride=1 if i == 0 else 2) if depth else nn.Identity()
            setattr(self, f"layer{i + 1}", made)
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(self.inplanes, num_classes)


class NarrowSENet(SENet):
    """timm's legacy one, of any width."""

    def __init__(self, block, depths, width, num_classes, groups, reduction, pool):
        nn.Module.__init__(self)
        self.inplanes, self.num_classes, self.drop_rate = width, num_classes, 0.0
        self.layer0 = nn.Sequential()
        self.layer0.add_module("conv1", nn.Conv2d(3, width, 7, 2, 3, bias=False))
        self.layer0.add_module("bn1", nn.BatchNorm2d(width))
        self.layer0.add_module("relu1", nn.ReLU())
        self.pool0 = pool
        for i, depth in enumerate(depths):
            stride = 1 if i == 0 else 2
            made = self._make_layer(block, width * 2**i, depth, groups, reduction, stride) if depth else nn.Identity()
            setattr(self, f"layer{i + 1}", made)
        self.global_pool, self.last_linear = create_classifier(self.inplanes, num_classes)


@torch.no_grad()
def randomise_norms(model, seed=1):
    """Randomise scales, shifts and statistics, mildly enough for a deep network; weights stay."""
    generator = torch.Generator().manual_seed(seed)
    for value in model.state_dict().values():
        if value.is_floating_point() and value.dim() == 1:
            value.copy_(torch.rand(value.shape, generator=generator, dtype=torch.float64) + 0.5)
    return model
