"""Rows: the recurrent attention model, its sensor pixel by pixel."""

import torch
import torch.nn.functional as F
from torch import nn

from groundup.models.attention_networks import RecurrentAttention
from rows.kit import Case, bad_inputs, image, label

SMALL = {"num_classes": 3, "in_channels": 2, "glimpse_size": 3, "glimpse_features": 4, "hidden_size": 5}


class GlimpseOracle(nn.Module):
    """Squares cut out between pixels, by coordinates in pixels; nn.RNNCell; places drawn by torch.randn."""

    def __init__(self, num_scales, num_glimpses, std=0.2):
        super().__init__()
        self.scales, self.glimpses, self.std = num_scales, num_glimpses, std
        self.what, self.where = nn.Linear(num_scales * 2 * 9, 4), nn.Linear(2, 4)
        self.what_out, self.where_out = nn.Linear(4, 5), nn.Linear(4, 5)
        self.core = nn.RNNCell(5, 5, nonlinearity="relu")
        self.location, self.baseline, self.head = nn.Linear(5, 2), nn.Linear(5, 1), nn.Linear(5, 3)

    def sensor(self, x, place):
        dtype = torch.promote_types(x.dtype, torch.float32)
        height, width = x.shape[2:]
        found = []
        for step in (2**s for s in range(self.scales)):
            side = 3 * step
            offsets = torch.arange(side, dtype=dtype) - (side - 1) / 2
            columns = ((place[:, :1].to(dtype) + 1) * width - 1) / 2 + offsets  # in pixels
            rows = ((place[:, 1:].to(dtype) + 1) * height - 1) / 2 + offsets
            across, down = 2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1
            grid = torch.stack([across[:, None].expand(-1, side, -1), down[:, :, None].expand(-1, -1, side)], -1)
            patch = F.grid_sample(x.to(dtype), grid, align_corners=True).to(x.dtype)
            found.append(patch.unflatten(3, (-1, step)).unflatten(2, (-1, step)).mean((3, 5)))
        return torch.stack(found, 1).flatten(1)

    def look(self, x):
        place, h = x.new_zeros(len(x), 2), x.new_zeros(len(x), 5)
        places, means, chosen, expected = [place], [], [], []
        for t in range(self.glimpses):
            g = self.what_out(self.what(self.sensor(x, place)).relu()) + self.where_out(self.where(place).relu())
            h = self.core(g.relu(), h)
            if t + 1 < self.glimpses:
                means.append(torch.tanh(self.location(h)))
                drawn = torch.randn(len(x), 2, dtype=x.dtype) if self.training else torch.zeros_like(means[-1])
                chosen.append((means[-1] + self.std * drawn).detach())
                expected.append(self.baseline(h.detach())[:, 0])
                place = chosen[-1].clamp(-1, 1)
                places.append(place)
        return self.head(h), places, means, chosen, expected

    def forward(self, x):
        return self.look(x)[0]


CASES = [
    Case(
        "RecurrentAttention",
        label(**options),
        lambda o=options: RecurrentAttention(**SMALL, **o),
        image(2, 8, 7),
        lambda o=options: GlimpseOracle(**o),
        random=True,
        differentiable=False,  # numerically, an input moves the places; no gradient goes that way
        gain=0.4,
        tolerance={torch.bfloat16: 0.1},  # what is seen depends on places that are themselves rounded
    )
    for options in (
        {"num_scales": 1, "num_glimpses": 2},
        {"num_scales": 2, "num_glimpses": 3},
        {"num_scales": 1, "num_glimpses": 1},
    )
]

REQUIRED = {"RecurrentAttention": ()}

R = "RecurrentAttention"
x4 = torch.ones(2, 2, 8, 8)
BAD_INPUTS = bad_inputs(
    RecurrentAttention=[
        (lambda: RecurrentAttention(0), "num_classes must be at least 1, got 0"),
        (lambda: RecurrentAttention(glimpse_size=0), "glimpse_size must be at least 1, got 0"),
        (lambda: RecurrentAttention(num_scales=1.5), "TypeError: num_scales must be an int, got 1.5"),
        (lambda: RecurrentAttention(num_glimpses=0), "num_glimpses must be at least 1, got 0"),
        (lambda: RecurrentAttention(std=0.0), "std must be positive, got 0.0"),
        (lambda: RecurrentAttention(**SMALL)(x4[0]), "x must have shape (N, C, H, W), got 3 axes"),
        (lambda: RecurrentAttention(**SMALL)(x4[:, :1]), "x must have 2 channels (in_channels) (axis 1)"),
        (lambda: RecurrentAttention(**SMALL)(x4.int()), "TypeError: x must be a floating-point tensor"),
    ]
)
