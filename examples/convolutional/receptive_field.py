"""The effective receptive field is smaller than the kernels' reach: `python examples/convolutional/receptive_field.py`.

A unit after n convolutions of 3 × 3 depends on 2n + 1 pixels across. But its gradient at a pixel is a sum over all
paths to it, and most paths end near the middle: the gradient is bell-shaped, as wide as a random walk. A walk of n
steps of variance s² has standard deviation s √n. A step to one of the three places of a kernel has variance 2/3;
dilation by d multiplies it by d², and a shortcut halves it, because every second path takes no step.
"""

from dataclasses import dataclass

from groundup.layers import Conv2d, ReLU
from groundup.plots import image_grid
from groundup.training import Options, command_line, run

import torch
from torch import nn

SIZE, DEPTHS, WIDTH = 121, (1, 4, 9, 16, 25), 16
DILATIONS = (1, 2, 4)  # in turn


class Shortcut(nn.Module):
    """x + f(x)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x):
        return x + self.branch(x)


def build_network(kind: str, depth: int) -> tuple[nn.Module, float, int]:
    """Return (layers that keep the size of the gradient, the variance of the ends of paths, the reach in pixels)."""
    layers, variance, reach = [], 0.0, 1
    for i in range(depth):
        d = DILATIONS[i % 3] if kind == "dilated 1 2 4" else 1
        conv = Conv2d(WIDTH, WIDTH, 3, padding=d, dilation=d, bias=False)
        gain = 2 if kind == "with ReLU" else 1  # He et al. 2015: half of the units are 0
        nn.init.normal_(conv.weight, std=(gain / (9 * WIDTH)) ** 0.5)
        layers += [conv, ReLU()] if kind == "with ReLU" else [Shortcut(conv) if kind == "shortcuts" else conv]
        variance += 2 / 3 * d**2 * (0.5 if kind == "shortcuts" else 1)
        reach += 2 * d
    return nn.Sequential(*layers), variance, reach


def measure_gradient(model: nn.Module, images: int) -> torch.Tensor:
    """Return the squared gradient of the middle unit, averaged over channels and random images; its sum is 1."""
    x = torch.randn(images, WIDTH, SIZE, SIZE, requires_grad=True)
    y = model(x)[:, :, SIZE // 2, SIZE // 2]
    (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y))
    energy = gradient.square().mean((0, 1))
    return energy / energy.sum()


def measure_deviation(energy: torch.Tensor) -> float:
    """Return the standard deviation of the place along one axis, in pixels."""
    place = torch.arange(SIZE) - SIZE // 2
    return ((energy.sum(0) + energy.sum(1)) / 2 @ place.square().float()).sqrt().item()


@dataclass
class Config(Options):
    networks: int = 6  # whose random weights are averaged
    images: int = 1


def main() -> None:
    config, run_dir = command_line(Config, "receptive_field", __doc__)
    pictures, captions = [], []
    depths = DEPTHS[:2] if config.smoke else DEPTHS
    print(f"{'':14} {'layers':>6} {'reach':>6}   deviation of the gradient, in pixels")
    for kind in ("plain", "with ReLU", "shortcuts", "dilated 1 2 4"):
        for depth in depths:
            models, (variance, *_), (reach, *_) = zip(*(build_network(kind, depth) for _ in range(config.networks)))
            energy = torch.stack([measure_gradient(model, config.images) for model in models]).mean(0)
            width = measure_deviation(energy)
            print(f"{kind:14} {depth:6} {reach:6}   {width:5.2f} · expected {variance**0.5:.2f}, within a tenth")
            pictures.append((energy / energy.max()).sqrt())
            captions.append(f"{kind}, n = {depth}\nreach {reach}, deviation {width:.1f}")
    run_dir.mkdir(parents=True, exist_ok=True)
    title = "The gradient of the unit in the middle"
    image_grid(torch.stack(pictures), run_dir / "receptive_field.png", captions, columns=len(depths), title=title)
    print(f"""
picture       {run_dir}/receptive_field.png
the layers    src/groundup/layers/convolution.py · Luo et al. 2016, arXiv:1701.04128, section 2
more          python examples/convolutional/feature_maps.py, saliency.py""")


if __name__ == "__main__":
    run(main)
