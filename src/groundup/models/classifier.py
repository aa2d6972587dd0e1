"""The frame of every image classifier: a chain of named stages, then a head.

scores = model(x)                                       (N, num_classes)
map = model.forward_features(x)                         what the head sees
maps = model.forward_intermediates(x, "layer2", "layer4")    any stage's output by name, with its graph
vector = model.forward_head(map, pre_logits=True)       what the last layer sees
model.reset_classifier(5)                               another last layer, for classes of one's own
model = Model.from_pretrained("publisher/name")         published weights, or those of a folder: groundup.weights
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.models.presets import Presets
from groundup.weights import Pretrained


class ImageClassifier(Pretrained, Presets, nn.Module):
    """x (N, in_channels, H, W) → scores (N, num_classes), larger is likelier.

    A subclass builds its stages in order, names them in `stages`, and defines `forward_head`.
    """

    #: The children that `forward_features` calls, in order.
    stages: tuple[str, ...]
    #: The name of the child that makes scores of features, a `Linear` or `Conv2d`.
    classifier: ClassVar[str] = "head"
    #: The smallest height and width that leaves every stage something to see.
    min_size: int = 1
    #: Whether to lay images out with their channels last on a CPU, whose convolutions are then faster.
    channels_last: ClassVar[bool] = False
    #: Whether `fold_batch_norm` has made it: its tensors are then others than its class and arguments tell.
    folded: bool = False

    in_channels: int
    num_classes: int

    def checked(self, x: Tensor) -> Tensor:
        """x, a batch of floating-point images of `in_channels` channels and at least `min_size` × `min_size` pixels."""
        checks.rank("x", checks.floating("x", x), 4, layout="(N, C, H, W)")
        checks.channels("x", x, self.in_channels)
        if not torch.compiler.is_compiling():
            self._check_type(x)
        if min(x.shape[2:]) < self.min_size:
            raise ValueError(
                f"x must be at least {self.min_size} × {self.min_size} pixels for {type(self).__name__}, "
                f"got {x.size(2)} × {x.size(3)}: enlarge the images"
            )
        if self.channels_last and x.device.type == "cpu" and not checks.transformed():  # vmap knows one layout
            x = x.contiguous(memory_format=torch.channels_last)
            if x.size(1) == 1:  # the same bytes in either layout: only the strides tell the kernels which is meant
                x = x[:, 0, :, :, None].movedim(-1, 1)
        return x

    def _check_type(self, x: Tensor) -> None:
        """Raise `TypeError` for images of a precision that no weight has, unless autocast sees to it."""
        own = next((p.dtype for p in self.parameters() if p.is_floating_point()), x.dtype)
        if x.dtype == own or x.dtype in {p.dtype for p in self.parameters()}:
            return
        if torch.amp.is_autocast_available(x.device.type) and torch.is_autocast_enabled(x.device.type):
            return
        raise TypeError(
            f"x must have the type of the weights of {type(self).__name__}, {own}, got {x.dtype}: convert the images "
            f"with x.to({own}), or the model with model.to({x.dtype})"
        )

    def forward_features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N *features"]:
        """The last stage's feature map, or tokens."""
        x = self.checked(x)
        for name in self.stages:
            x = self.forward_stage(name, x)
        return x

    def forward_stage(self, name: str, x: Tensor) -> Tensor:
        """What the stage called `name` makes of the output of the one before it."""
        out: Tensor = getattr(self, name)(x)
        return out

    def forward_intermediates(self, x: Float[Tensor, "N C H W"], *names: str) -> dict[str, Tensor]:
        """The outputs of the stages called `names` (of all, without names), by name; nothing after the last is run."""
        wanted = names or self.stages
        if unknown := [name for name in wanted if name not in self.stages]:
            raise ValueError(
                f"names: {type(self).__name__} has no stage {unknown[0]!r}; it has {', '.join(self.stages)}"
            )
        x, found = self.checked(x), {}
        for name in self.stages:
            x = self.forward_stage(name, x)
            if name in wanted:
                found[name] = x
                if len(found) == len(set(wanted)):
                    break
        return found

    def forward_head(self, x: Float[Tensor, "N features P Q"], pre_logits: bool = False) -> Float[Tensor, "N *rest"]:
        """Scores of a feature map; with `pre_logits`, the vector that the last layer sees."""
        raise NotImplementedError(f"{type(self).__name__} must define forward_head")

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        return self.forward_head(self.forward_features(x))

    def reset_classifier(self, num_classes: int) -> None:
        """Put a fresh last layer for `num_classes` classes in the place of the old one."""
        self.num_classes = checks.integer("num_classes", num_classes)
        old: Any = getattr(self, self.classifier)
        make: Callable[..., nn.Module] = type(old)
        sizes = (old.in_features,) if hasattr(old, "in_features") else (old.in_channels,)
        kernel = () if hasattr(old, "in_features") else (old.kernel_size,)
        bias = old.bias is not None
        new = make(*sizes, num_classes, *kernel, bias=bias, device=old.weight.device, dtype=old.weight.dtype)
        setattr(self, self.classifier, new.train(old.training))
        self.init_arguments = {**self.init_arguments, "num_classes": self.num_classes}
        self.class_names = None

    def _state(self) -> dict[str, Tensor]:
        checks.require(
            not self.folded,
            f"{type(self).__name__} is folded: its batch norms are gone, and nothing could load what it would save; "
            "save the model before fold_batch_norm, and fold it again once it is loaded",
        )
        return super()._state()
