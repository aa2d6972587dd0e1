"""Spatial transformers by PyTorch's affine_grid and grid_sample, and thin plates solved sample by sample."""

import torch
import torch.nn.functional as F
from torch import nn


def in_float32(function):
    """`function` in float32 at least, its result in the first argument's type."""
    return lambda x, *rest: function(x.float() if x.dtype == torch.bfloat16 else x, *rest).to(x.dtype)


def sample(x, grid, align_corners=True):
    dtype = torch.promote_types(x.dtype, torch.float32)
    return F.grid_sample(x.to(dtype), grid.to(dtype), align_corners=align_corners).to(x.dtype)


def phi(r2):
    return r2 * r2.log() if r2 > 0 else r2


def thin_plate_grid(values, control, size):
    """f(t) = a + A t + Σ_k w_k φ(|t - c_k|) through values (K, 2) at control (K, 2), at every pixel in turn."""
    count = len(control)
    system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
    for i in range(count):
        for j in range(count):
            system[i, j] = phi((control[i] - control[j]).square().sum())
        system[i, count:] = torch.cat([torch.ones(1, dtype=torch.float64), control[i]])
        system[count:, i] = system[i, count:]
    inverse = torch.linalg.inv(system)[:, :count].to(values.dtype)
    coefficients = inverse @ values  # w, a, A
    rows = []
    for y in torch.linspace(-1, 1, size[0], dtype=torch.float64):
        for x in torch.linspace(-1, 1, size[1], dtype=torch.float64):
            t = torch.stack([x, y])
            basis = [phi((t - c).square().sum()) for c in control] + [torch.ones((), dtype=torch.float64), x, y]
            rows.append(torch.stack(basis).to(values.dtype) @ coefficients)
    return torch.stack(rows).view(*size, 2)


class TransformerOracle(nn.Module):
    def __init__(self, localization, features, mode="affine", output_size=None, points=4):
        super().__init__()
        self.localization, self.mode, self.output_size, self.points = localization, mode, output_size, points
        self.theta = nn.Linear(features, {"affine": 6, "attention": 3, "thin_plate": 2 * points**2}[mode])

    def forward(self, x):
        dtype = torch.promote_types(x.dtype, torch.float32)
        features = self.localization(x).flatten(1)
        theta = F.linear(features.to(dtype), self.theta.weight.to(dtype), self.theta.bias.to(dtype))
        size = self.output_size or tuple(x.shape[2:])
        if self.mode == "attention":
            s, t_x, t_y = theta.unbind(1)
            nothing = torch.zeros_like(s)
            theta = torch.stack([s, nothing, t_x, nothing, s, t_y], 1)
        if self.mode == "thin_plate":
            line = torch.linspace(-1, 1, self.points, dtype=torch.float64)
            control = torch.cartesian_prod(line, line).flip(1)
            values = theta.view(-1, self.points**2, 2)
            grids = [thin_plate_grid(v, control, size) for v in values]
            grid = torch.stack(grids) if grids else values.new_zeros(0, *size, 2)
        else:
            grid = F.affine_grid(theta.view(-1, 2, 3), [len(x), 1, *size], align_corners=True)
        return sample(x, grid)


def conv(channels, width):
    made = nn.Module()
    made.conv = nn.Conv2d(channels, width, 5, padding=2)
    made.forward = lambda x: made.conv(x).relu()
    return made


class NetOracle(nn.Module):
    def __init__(self, classes, channels, size, mode, width, hidden):
        super().__init__()
        flat = width * (size // 4) ** 2
        pool = nn.MaxPool2d(2)
        self.conv1, self.conv2, self.pool = conv(channels, width), conv(width, width), pool
        self.fc, self.head = nn.Linear(flat, hidden), nn.Linear(hidden, classes)
        self.transform = nn.Identity()
        if mode is not None:
            first, second = conv(channels, width), conv(width, width)
            parts = (first, pool, second, pool, nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU())
            self.transform = TransformerOracle(nn.Sequential(*parts), hidden, mode)

    def forward(self, x):
        x = self.pool(self.conv2(self.pool(self.conv1(self.transform(x)))))
        return self.head(self.fc(x.flatten(1)).relu())
