"""Rows: LeNet-5."""

import torch
import torch.nn.functional as F
from torch import nn

from groundup.functional import cross_entropy
from groundup.models.convolutional_networks import LeNet5
from groundup.optimizers import Adam
from rows.benchmark import Benchmark, compare_calls
from rows.kit import Case, bad_inputs, draw
from rows.units import Train

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
        self.c1, self.c3, self.c5 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
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


CASES = [
    *[
        Case(
            "LeNet5",
            preset,
            lambda p=preset: LeNet5.preset(p),
            draw(1, 32, 32),
            lambda p=preset: LeNet5Oracle(p),
            gain=0.1,
        )
        for preset in LeNet5.presets
    ]
]

REQUIRED = {"LeNet5": ()}

BAD_INPUTS = bad_inputs(
    LeNet5=[
        (lambda: LeNet5.preset("modern"), "LeNet5 has no preset 'modern'; it has 'paper', "),
        (lambda: LeNet5(activation="gelu"), "activation must be one of 'scaled_tanh', 'tanh', 'relu'"),
        (lambda: LeNet5(num_classes=26), 'pass codes of shape (26, 84), or output="linear"'),
        (lambda: LeNet5(codes=torch.ones(10, 80)), "codes must have shape (10, 84), got (10, 80)"),
        (lambda: LeNet5(output="linear", codes=torch.ones(10, 84)), "codes belong to output="),
        (lambda: LeNet5()(torch.ones(2, 1, 28, 28)), "x must be 32 × 32 pixels for LeNet5, got 28 × 28: pad"),
        (lambda: LeNet5()(torch.ones(2, 1, 36, 32)), "x must be 32 × 32 pixels for LeNet5, got 36 × 32"),
        (lambda: LeNet5()(torch.ones(2, 3, 32, 32)), "x must have 1 channels (axis 1), got 3"),
        (lambda: LeNet5()(torch.ones(1, 32, 32)), "x must have shape (N, C, 32, 32), got 3 axes"),
        (lambda: LeNet5().reset_classifier(5), 'or with output="linear"'),
        (
            lambda: LeNet5()(torch.ones(2, 1, 32, 32).byte()),
            "TypeError: x must be a floating-point tensor, got torch.uint8",
        ),
    ]
)


def digits():
    return torch.randn(128, 1, 32, 32), torch.randint(0, 10, (128,))


LENET = ("model", "LeNet5 simplified", (128, 1, 32, 32))
CALLS = "both run the same kernels, which are the floor; choosing and checking them takes 1 or 2 µs a call"
BENCHMARKS = [
    # The outcome has Adam's first moves, g / |g|, which magnify the rounding of small gradients.
    Benchmark(
        *(*LENET, "training step, Adam", "torch.nn + optim.Adam"),
        lambda: Train(LeNet5.preset("simplified"), cross_entropy, lambda p: Adam(p, lr=1e-4), digits),
        lambda: Train(LeNet5Oracle("simplified"), F.cross_entropy, lambda p: torch.optim.Adam(p, lr=1e-4), digits),
        limit=1.0,
        tolerance=1e-2,
    ),
    compare_calls(
        *(*LENET, "torch.nn"),
        lambda: LeNet5.preset("simplified").eval(),
        lambda: LeNet5Oracle("simplified").eval(),
        lambda: digits()[:1],
        backward=False,
        mode=", eval",
        limit=1.0,
        why=CALLS,
    ),
]
