"""The base class of all image classifiers. A network's own file has its `forward`; what all share is here.

scores = model(x)                                            (N, num_classes)
features = model.forward_features(x)                         the map, or the tokens, that the head receives
vector = model.forward_head(features, pre_logits=True)       the input of the last layer
maps = model.forward_intermediates(x, "layer2", "layer4")    the outputs of stages by name, with their graph
model.reset_classifier(5)                                    a new last layer, for other classes
model = Model.from_pretrained("publisher/name")              published or saved weights: see groundup.weights
"""

from __future__ import annotations

import copy
from functools import partial, wraps
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.backend import backend
from groundup.kernels.images import to_channels_last
from groundup.layers import Conv2d, Linear
from groundup.models.presets import Presets
from groundup.weights import Pretrained

M = TypeVar("M", bound=nn.Module)
Layer = TypeVar("Layer", Conv2d, Linear)


class ImageClassifier(Pretrained, Presets, nn.Module):
    """Images x (N, in_channels, H, W) → scores (N, num_classes); the largest score is the predicted class.

    A subclass builds its layers and defines `forward_features`, `forward_head` and `forward`. Before its
    `forward_features` runs, the images are checked (`check_images`), so that the method holds the network alone.

    Args:
        num_classes: the number of scores.
        in_channels: the channels of an image: 3 for colour, 1 for grey.

    Example:
        >>> class Tiny(ImageClassifier):
        ...     def __init__(self, num_classes=10, in_channels=3):
        ...         super().__init__(num_classes, in_channels)
        ...         self.conv = Conv2d(in_channels, 8, 3)
        ...         self.head = Conv2d(8, num_classes, 1)
        ...
        ...     def forward_features(self, x):
        ...         return self.conv(x)
        ...
        ...     def forward(self, x):
        ...         return self.head(self.forward_features(x)).mean((2, 3))
        >>> Tiny()(torch.randn(2, 3, 9, 9)).shape
        torch.Size([2, 10])
    """

    #: The name of the last layer, a `Linear` or `Conv2d`, which has one output per class.
    classifier: ClassVar[str] = "head"
    #: The smallest height and width of an image that leaves every layer at least one pixel.
    min_size: int = 1
    #: True where `to_channels_last` makes the network faster.
    channels_last: ClassVar[bool] = False
    #: True for a copy that `fold_batch_norm` made: its tensors are not those that its class and arguments imply.
    folded: bool = False

    def __init__(self, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if (own := vars(cls).get("forward_features")) is None:
            return

        @wraps(own)
        def forward_features(self: ImageClassifier, x: Tensor, *args: Any) -> Any:
            self.check_images(x)
            return own(self, to_channels_last(x) if self.channels_last else x, *args)

        cls.forward_features = forward_features  # type: ignore[method-assign]

    def check_images(self, x: Tensor) -> None:
        """Raise unless x is a batch of floating-point images of `in_channels` channels that are large enough.

        Raises `TypeError` for another type than that of the weights, and `ValueError` for another shape.
        """
        checks.rank("x", checks.floating("x", x), 4, layout="(N, C, H, W)")
        checks.channels("x", x, self.in_channels)
        if not torch.compiler.is_compiling():
            self._check_type(x)
        if min(x.shape[2:]) < self.min_size:
            raise ValueError(
                f"x must be at least {self.min_size} × {self.min_size} pixels for {type(self).__name__}, "
                f"got {x.size(2)} × {x.size(3)}: enlarge the images"
            )

    def _check_type(self, x: Tensor) -> None:
        """Raise `TypeError` for images of a floating-point type that no weight has, unless autocast converts them."""
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
        """Return the last feature map, or the tokens: the input of `forward_head`."""
        raise NotImplementedError(f"{type(self).__name__} must define forward_features")

    def forward_head(self, x: Float[Tensor, "N *features"], pre_logits: bool = False) -> Float[Tensor, "N *rest"]:
        """Return the scores of a feature map; with `pre_logits`, the vector that the last layer receives."""
        raise NotImplementedError(f"{type(self).__name__} must define forward_head")

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N *rest"]:
        return self.forward_head(self.forward_features(x))

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the children that `forward_features` calls, in the order of the calls.

        They are found by running a copy of the model on the meta device, where nothing is computed.
        """
        twin, size = copy_to_meta(self).eval(), max(self.min_size, 32)
        x = next(twin.parameters()).new_empty(1, self.in_channels, size, size)
        with backend("auto"), torch.no_grad():
            return tuple(twin.forward_intermediates(x))

    def forward_intermediates(self, x: Float[Tensor, "N C H W"], *names: str) -> dict[str, Tensor]:
        """Return the outputs of the stages called `names`, by name, in the order in which they run.

        A stage is a child of the model that `forward_features` calls (`stages` lists them), and its output is what the
        next stage receives. Without names all stages are returned; with names, nothing after the last of them runs.
        Raises `ValueError` for a name that is not a stage.
        """
        maps: dict[str, Tensor] = {}
        running = ""  # the stage that was called last

        def leave(y: Tensor) -> None:
            if running and (not names or running in names):
                maps[running] = y
                if len(maps) == len(set(names)):
                    raise _AllFound

        def enter(_: nn.Module, args: tuple[Tensor, ...], name: str) -> None:
            nonlocal running
            leave(args[0])
            running = name

        if set(names) <= set(self._modules):
            hooks = [part.register_forward_pre_hook(partial(enter, name=name)) for name, part in self.named_children()]
            try:
                leave(self.forward_features(x))
            except _AllFound:
                pass
            finally:
                for hook in hooks:
                    hook.remove()
        if unknown := [name for name in names if name not in maps]:
            raise ValueError(
                f"names: {type(self).__name__} has no stage {unknown[0]!r}; it has {', '.join(self.stages)}"
            )
        return maps

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a new one for `num_classes` classes, with the layer's own initial weights."""
        self.num_classes = checks.integer("num_classes", num_classes)
        setattr(self, self.classifier, rebuild_last_layer(getattr(self, self.classifier), num_classes))
        self.init_arguments = {**self.init_arguments, "num_classes": self.num_classes}
        self.class_names = None

    def _state(self) -> dict[str, Tensor]:
        checks.require(
            not self.folded,
            f"{type(self).__name__} is folded: its batch norms are gone, and nothing could load what it would save; "
            "save the model before fold_batch_norm, and fold it again once it is loaded",
        )
        return super()._state()


class ConvolutionalClassifier(ImageClassifier):
    """An `ImageClassifier` that consists of convolutions: on a CPU its images are laid out with channels last."""

    channels_last = True


class _AllFound(Exception):
    """Stops a forward pass when every stage that was asked for has run."""


def rebuild_last_layer(layer: Layer, num_classes: int) -> Layer:
    """Return a new `Linear` or `Conv2d` like `layer`, but with `num_classes` outputs and initial weights."""
    weight, make = layer.weight, type(layer)
    options: dict[str, Any] = {"bias": layer.bias is not None, "device": weight.device, "dtype": weight.dtype}
    if isinstance(layer, Linear):
        return make(layer.in_features, num_classes, **options).train(layer.training)
    return make(layer.in_channels, num_classes, layer.kernel_size, **options).train(layer.training)


def copy_to_meta(model: M) -> M:
    """Return a copy of the model on the meta device, where tensors have shapes and no values.

    A tensor that the model holds under several names remains one tensor. Hooks are not copied, since they could ask for
    values; except PyTorch's own, such as those of pruning, which compute a weight.
    """
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        there = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(there, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else there
    twin = copy.deepcopy(model, memo)
    for hooks in (hooks for module in twin.modules() for hooks in hooks_of(module)):
        for key in [key for key, hook in hooks.items() if not type(hook).__module__.startswith("torch.")]:
            del hooks[key]
    return twin


def hooks_of(module: nn.Module) -> list[dict[int, Any]]:
    """Return the module's own dictionaries of hooks."""
    return [module._forward_pre_hooks, module._forward_hooks, module._backward_pre_hooks, module._backward_hooks]
