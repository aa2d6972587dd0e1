"""The convolutional networks in torch.nn, with our names of the parameters."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


class Unit(nn.Module):
    def __init__(self, *arguments, eps=None, bias=None, **options):
        super().__init__()
        self.conv = nn.Conv2d(*arguments, bias=eps is None if bias is None else bias, **options)
        if eps is not None:
            self.norm = nn.BatchNorm2d(self.conv.out_channels, eps=eps)

    def forward(self, x):
        x = self.conv(x)
        return F.relu(self.norm(x) if hasattr(self, "norm") else x)


def lrn(x, *options):
    return F.local_response_norm(x.float() if x.dtype == torch.bfloat16 else x, *options).to(x.dtype)


class ResponseNorm(nn.Module):
    def forward(self, x):
        return lrn(x, 5, 5e-4, 0.75, 2.0)


class SimpleCNNOracle(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.conv1, self.conv2 = Unit(in_channels, 6, 5), Unit(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, num_classes)

    def forward(self, x):
        x = F.max_pool2d(self.conv2(F.max_pool2d(self.conv1(x), 2)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class SimpleFullyCNNOracle(SimpleCNNOracle):
    """Every window by itself, through the linear layers; the weights are kernels."""

    def __init__(self, num_classes, in_channels):
        super().__init__(num_classes, in_channels)
        self.fc1, self.fc2 = nn.Conv2d(16, 120, 5), nn.Conv2d(120, 84, 1)
        self.fc3 = nn.Conv2d(84, num_classes, 1)

    def forward(self, x):
        windows = x.unfold(2, 32, 4).unfold(3, 32, 4)  # N, C, P, Q, 32, 32
        n, c, p, q = windows.shape[:4]
        maps = windows.permute(0, 2, 3, 1, 4, 5).reshape(n * p * q, c, 32, 32)
        maps = F.max_pool2d(self.conv2(F.max_pool2d(self.conv1(maps), 2)), 2)
        for layer in (self.fc1, self.fc2):
            maps = F.relu(F.linear(maps.flatten(1), layer.weight.flatten(1), layer.bias))
        scores = F.linear(maps, self.fc3.weight.flatten(1), self.fc3.bias)
        return scores.view(n, p, q, -1).permute(0, 3, 1, 2)


class AlexNetOracle(nn.Module):
    def __init__(self, channels, hidden, num_classes, groups, response_norm, padding, drop_inputs, dropout=0.0):
        super().__init__()
        c = (3, *channels)
        self.conv1 = Unit(c[0], c[1], 11, 4, padding)
        self.conv2 = Unit(c[1], c[2], 5, padding=2, groups=groups)
        self.conv3 = Unit(c[2], c[3], 3, padding=1)
        self.conv4 = Unit(c[3], c[4], 3, padding=1, groups=groups)
        self.conv5 = Unit(c[4], c[5], 3, padding=1, groups=groups)
        self.fc6, self.fc7 = nn.Linear(36 * c[5], hidden), nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.response_norm, self.drop_inputs, self.p = response_norm, drop_inputs, dropout

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = conv(x)
            if self.response_norm:
                x = ResponseNorm()(x)
            x = F.max_pool2d(x, 3, 2)
        x = F.max_pool2d(self.conv5(self.conv4(self.conv3(x))), 3, 2)
        x = F.adaptive_avg_pool2d(x, 6).flatten(1)
        for layer in (self.fc6, self.fc7):
            if self.drop_inputs:
                x = F.relu(layer(F.dropout(x, self.p, self.training)))
            else:
                x = F.dropout(F.relu(layer(x)), self.p, self.training)
        return self.fc8(x)


class NINOracle(nn.Module):
    """`plan`: for each stage its channels, the options of its first convolution, its pooling, and its dropout."""

    def __init__(self, plan, num_classes):
        super().__init__()
        channels = 3
        for number, (widths, options, pool, p) in enumerate(plan, 1):
            units = [Unit(channels, widths[0], **options)]
            units += [Unit(a, b, 1) for a, b in pairwise(widths)]
            setattr(self, f"mlpconv{number}", nn.Sequential(*units, *pool, nn.Dropout(p)))
            channels = widths[-1]
        self.head = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x):
        for name, stage in self.named_children():
            if name != "head":
                x = stage(x)
        return F.adaptive_avg_pool2d(F.relu(self.head(x)), 1).flatten(1)


class VGGOracle(nn.Module):
    """`plan`: the kernel sizes of each stage's convolutions."""

    def __init__(self, plan, width, hidden, num_classes, eps=None, response_norm=False, dropout=0.0):
        super().__init__()
        before = 3
        for number, (kernels, factor) in enumerate(zip(plan, (1, 2, 4, 8, 8)), 1):
            layers = []
            for k in kernels:
                layers.append(Unit(before, width * factor, k, padding=k // 2, eps=eps, bias=True))
                before = width * factor
            if response_norm and number == 1:
                layers.append(ResponseNorm())
            setattr(self, f"stage{number}", nn.Sequential(*layers, nn.MaxPool2d(2)))
        self.fc6, self.fc7 = nn.Linear(before * 49, hidden), nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.p = dropout

    def forward(self, x):
        for number in range(1, 6):
            x = getattr(self, f"stage{number}")(x)
        x = F.adaptive_avg_pool2d(x, 7).flatten(1)
        for layer in (self.fc6, self.fc7):
            x = F.dropout(F.relu(layer(x)), self.p, self.training)
        return self.fc8(x)


class InceptionOracle(nn.Module):
    def __init__(self, i, o1, r3, o3, r5, o5, op, large=5, eps=None):
        super().__init__()
        self.branch1 = Unit(i, o1, 1, eps=eps)
        self.branch2 = nn.Sequential(Unit(i, r3, 1, eps=eps), Unit(r3, o3, 3, padding=1, eps=eps))
        self.branch3 = nn.Sequential(Unit(i, r5, 1, eps=eps), Unit(r5, o5, large, padding=large // 2, eps=eps))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Unit(i, op, 1, eps=eps))

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.children()], 1)


class AuxiliaryOracle(nn.Module):
    def __init__(self, i, width, num_classes, paper, dropout, eps=None):
        super().__init__()
        self.conv = Unit(i, width, 1, eps=eps)
        self.fc1, self.fc2 = nn.Linear(16 * width, 8 * width), nn.Linear(8 * width, num_classes)
        self.paper, self.p = paper, dropout

    def forward(self, x):
        x = F.adaptive_avg_pool2d(F.avg_pool2d(x, 5, 3) if self.paper else x, 4)
        return self.fc2(F.dropout(F.relu(self.fc1(self.conv(x).flatten(1))), self.p, self.training))


# Table 1 of the paper: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj.
GOOGLENET = """
3a  64  96 128 16  32  32
3b 128 128 192 32  96  64
4a 192  96 208 16  48  64
4b 160 112 224 24  64  64
4c 128 128 256 24  64  64
4d 112 144 288 32  64  64
4e 256 160 320 32 128 128
5a 256 160 320 32 128 128
5b 384 192 384 48 128 128
"""


class GoogLeNetOracle(nn.Module):
    def __init__(self, variant, width=64, num_classes=1000, aux=True, dropout=0.0, dropout_aux=0.0, transform=False):
        super().__init__()
        paper, w = variant == "paper", width
        eps = None if paper else 1e-3
        self.conv1 = Unit(3, w, 7, 2, 3, eps=eps)
        self.conv2, self.conv3 = Unit(w, w, 1, eps=eps), Unit(w, 3 * w, 3, padding=1, eps=eps)
        channels, heads = 3 * w, {}
        for line in GOOGLENET.split("\n")[1:-1]:
            name, *sizes = line.split()
            sizes = [int(size) * w // 64 for size in sizes]
            setattr(self, f"inception{name}", InceptionOracle(channels, *sizes, 5 if paper else 3, eps))
            channels = sizes[0] + sizes[2] + sizes[4] + sizes[5]
            heads[name] = channels
        if aux:
            self.aux1 = AuxiliaryOracle(heads["4a"], 2 * w, num_classes, paper, dropout_aux, eps)
            self.aux2 = AuxiliaryOracle(heads["4d"], 2 * w, num_classes, paper, dropout_aux, eps)
        self.fc = nn.Linear(channels, num_classes)
        self.paper, self.aux, self.p, self.transform = paper, aux, dropout, transform

    def forward(self, x):
        if self.transform:  # ImageNet's normalisation undone, then -1..1, a channel at a time
            numbers = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
            x = torch.stack([(x[:, c] * std + mean - 0.5) / 0.5 for c, (mean, std) in enumerate(numbers)], 1)
        norm = (lambda x: lrn(x, 5, 1e-4, 0.75, 1.0)) if self.paper else (lambda x: x)
        x = norm(F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True))
        x = F.max_pool2d(norm(self.conv3(self.conv2(x))), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.inception3b(self.inception3a(x)), 3, 2, ceil_mode=True)
        x = self.inception4a(x)
        aux1 = self.aux1(x) if self.training and self.aux else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if self.training and self.aux else None
        x = F.max_pool2d(self.inception4e(x), 3 if self.paper else 2, 2, ceil_mode=True)
        x = F.adaptive_avg_pool2d(self.inception5b(self.inception5a(x)), 1).flatten(1)
        scores = self.fc(F.dropout(x, self.p, self.training))
        return (scores, aux2, aux1) if self.training and self.aux else scores


class PlainOracle(nn.Module):
    def __init__(self, depths, width, num_classes, paper=False):
        super().__init__()
        self.conv1 = Unit(3, width, 7, 2, 3, eps=1e-5)
        before = width
        for number, depth in enumerate(depths):
            units, after = [], width * 2**number
            for place in range(2 * depth):
                units.append(Unit(before, after, 3, 1 + (number > 0 and place == 0), 1, eps=1e-5))
                before = after
            setattr(self, f"layer{number + 1}", nn.Sequential(*units))
        self.fc = nn.Linear(before, num_classes)
        self.paper = paper

    def forward(self, x):
        x = self.conv1(x)
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf) if self.paper else F.pad(x, (1,) * 4), 3, 2)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
