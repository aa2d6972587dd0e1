"""Independent implementations, in torch.nn, of what PyTorch does not ship under one name."""

import torch
import torch.nn.functional as F
from torch import nn

from groundup.layers import Pool2d


class RangePool2d(Pool2d):
    """A pooling of one's own, as the base class's docstring shows it."""

    fill = 0.5

    def reduce(self, windows):
        return windows.amax((-2, -1)) - windows.amin((-2, -1))


class RangePoolOracle(nn.Module):
    """The same by F.unfold."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1):
        super().__init__()
        self.k = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.stride = self.k if stride is None else stride
        self.padding, self.dilation = padding, dilation

    def forward(self, x):
        p = self.padding
        x = F.pad(x, (p, p, p, p), value=0.5)
        size = [
            (n - self.dilation * (k - 1) - 1) // s + 1
            for n, k, s in zip(x.shape[2:], self.k, (self.stride,) * 2 if isinstance(self.stride, int) else self.stride)
        ]
        columns = F.unfold(x, self.k, self.dilation, 0, self.stride)
        columns = columns.view(x.size(0), x.size(1), self.k[0] * self.k[1], *size)
        return columns.amax(2) - columns.amin(2)


# Table I of LeCun et al. 1998, as the paper prints it: rows are S2's maps, columns C3's.
C3_CONNECTIONS = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""


class LeNet5Oracle(nn.Module):
    """LeNet-5 in torch.nn, with a dense, masked C3; takes our state_dict."""

    def __init__(self, preset):
        super().__init__()
        self.partial = preset != "simplified"
        self.c1, self.c5, self.f6 = nn.Conv2d(1, 6, 5), nn.Conv2d(16, 120, 5), nn.Linear(120, 84)
        self.c3 = nn.Conv2d(6, 16, 5)
        if self.partial:
            self.s2, self.s4 = nn.Module(), nn.Module()
            for layer, channels in ((self.s2, 6), (self.s4, 16)):
                layer.weight, layer.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
            rows = C3_CONNECTIONS.split()
            mask = torch.tensor([[c == "X" for c in row] for row in rows]).T  # 16, 6
            self.register_buffer("mask", mask, persistent=False)
            self.c3.weight = nn.Parameter(torch.empty(int(mask.sum()), 5, 5))
        self.output = nn.Linear(84, 10)
        if preset == "paper":
            self.output = nn.Module()
            self.output.register_buffer("codes", torch.empty(10, 84))

    def squash(self, x):
        return 1.7159 * torch.tanh(2 * x / 3) if self.partial else torch.tanh(x)

    def subsample(self, x, layer):
        if not self.partial:
            return F.avg_pool2d(x, 2)
        total = F.avg_pool2d(x, 2) * 4
        return self.squash(total * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1))

    def forward(self, x):
        x = self.subsample(self.squash(self.c1(x)), getattr(self, "s2", None))
        weight = self.c3.weight
        if self.partial:
            weight = torch.zeros(16, 6, 5, 5, dtype=weight.dtype).masked_scatter(self.mask[..., None, None], weight)
        x = self.subsample(self.squash(F.conv2d(x, weight, self.c3.bias)), getattr(self, "s4", None))
        x = self.squash(self.f6(self.squash(self.c5(x)).flatten(1)))
        if isinstance(self.output, nn.Linear):
            return self.output(x)
        return -torch.stack([((x - code) ** 2).sum(1) for code in self.output.codes], 1)
