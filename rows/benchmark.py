"""A benchmark: ours and a peer's, two units of work that must compute the same; and short ways to write one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup import functional as G
from groundup import layers
from groundup.optimizers import SGD_Momentum
from groundup.tools.folding import fold_batch_norm
from rows.units import Apply, TrainImages, Unit, fill

MINUTES = "minutes to compile"
Build = Callable[[], Any]


def same_values(ours: list[Tensor], peer: list[Tensor], tolerance: float) -> str | None:
    """None if all tensors agree, |a - b| ≤ tolerance |b| in the 2-norm; else the difference."""
    if len(ours) != len(peer):
        return f"{len(ours)} results against the peer's {len(peer)}"
    for index, (a, b) in enumerate(zip(ours, peer)):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"result {index} is {a.dtype} {tuple(a.shape)}, the peer's {b.dtype} {tuple(b.shape)}"
        error = (a.double() - b.double()).norm().item()
        scale = b.double().norm().item()
        if not error <= tolerance * scale:  # NaN does not agree
            return f"result {index} differs by {error:.3g} in the 2-norm, where the peer's has {scale:.3g}"
    return None


@dataclass(frozen=True)
class Benchmark:
    """One comparison. `ours` and `peer` build a unit of work each; `compare` returns the difference, or None.

    `size` is a text or a shape, `against` names what one would use instead, `work` what is run, `limit` the ratio of
    times that ours may take. `not_compiled` is "", or why the definition is not tried under `torch.compile`; `why` is
    "", or what keeps the row from its limit.
    """

    family: str
    name: str
    size: str
    work: str
    against: str
    ours: Callable[[], Unit]
    peer: Callable[[], Unit]
    limit: float = 1.05
    tolerance: float = 1e-4
    compare: Callable[[list[Tensor], list[Tensor], float], str | None] = same_values
    not_compiled: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.size, str):
            object.__setattr__(self, "size", " × ".join(map(str, self.size)))

    @property
    def key(self) -> str:
        return " · ".join((self.family, self.name, self.size, self.work, self.against))

    def matches(self, words: list[str]) -> bool:
        return not words or any(word.lower() in f"{self.family} {self.name}".lower() for word in words)


def compare_calls(
    family: str,
    name: str,
    size: Any,
    against: str,
    ours: Build,
    peer: Build,
    inputs: Callable[[], Sequence[Tensor]],
    backward: bool = True,
    given: bool = False,
    mode: str = "",
    **options: Any,
) -> Benchmark:
    """A call of what `ours()` and `peer()` return, on the same inputs. `given`: both have their weights already."""

    def side(build: Build) -> Callable[[], Unit]:
        return lambda: Apply(build(), inputs, backward, given)

    work = ("forward + backward" if backward else "forward") + mode
    return Benchmark(family, name, size, work, against, side(ours), side(peer), **options)


def drop_in(
    family: str,
    name: str,
    make: Callable[[ModuleType], nn.Module],
    shape: tuple[int, ...],
    training: bool = True,
    draw: Callable[..., Tensor] = torch.randn,
    **options: Any,
) -> Benchmark:
    """`make(groundup.layers)` against `make(torch.nn)`, on an input that `draw` makes of `shape`."""
    ours, peer = (lambda m=module: make(m).train(training) for module in (layers, nn))  # type: ignore[misc]
    mode, against = "" if training else ", eval", f"nn.{type(make(nn)).__name__}"
    return compare_calls(family, name, shape, against, ours, peer, lambda: [draw(shape)], mode=mode, **options)


# ---- networks of images --------------------------------------------------------------------------------------------


def torchvision_model(name: str, **options: Any) -> Build:
    def build() -> nn.Module:
        import torchvision

        return getattr(torchvision.models, name)(**options)

    return build


def timm_model(name: str, **options: Any) -> Build:
    def build() -> nn.Module:
        import timm

        return timm.create_model(name, **options)

    return build


def draw_images(count: int = 8) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 3, 224, 224), torch.randint(0, 1000, (count,))


def compare_image_networks(
    name: str,
    ours: Build,
    peer: Build,
    against: str,
    losses: tuple[Callable[..., Tensor], Callable[..., Tensor]] = (G.cross_entropy, F.cross_entropy),
    folded: bool = False,
) -> list[Benchmark]:
    """A training step, inference, and with `folded` inference with folded norms, on eight images."""

    def train(build: Build, loss: Any, optimizer: Any, **options: Any) -> Callable[[], Unit]:
        return lambda: TrainImages(build(), loss, lambda p: optimizer(p, lr=1e-3, **options), draw_images)

    def infer(build: Build, fold: bool = False) -> Callable[[], Unit]:
        def unit() -> Unit:
            model = build().eval()
            fill(model)  # before the norms are folded
            ready = fold_batch_norm(model) if fold else model
            return Apply(lambda x: ready(x), lambda: draw_images()[:1], backward=False)

        return unit

    def row(work: str, against: str, ours: Callable[[], Unit], peer: Callable[[], Unit], *limits: float) -> Benchmark:
        return Benchmark("vision", name, "8 × 3 × 224 × 224", work, against, ours, peer, *limits, not_compiled=MINUTES)

    step = train(ours, losses[0], SGD_Momentum), train(peer, losses[1], torch.optim.SGD, momentum=0.9)
    return [
        row("training step, SGD", f"{against} + optim.SGD", *step, 1.0, 1e-8),
        row("forward, eval", against, infer(ours), infer(peer), 1.0, 1e-3),
        *[row("forward, eval, norms folded", against, infer(ours, fold=True), infer(peer), 0.9, 1e-3)] * folded,
    ]
