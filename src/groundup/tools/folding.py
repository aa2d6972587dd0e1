"""Folding of batch norms into the layers before them: in eval mode both are linear, and one layer computes both.

    γ (W x + b - μ) / √(σ² + ε) + β  =  (s W) x + (β + s (b - μ)),   s = γ / √(σ² + ε), one number per channel

Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
arXiv:1712.05877, section 3.2. Names do not show which norm follows which layer: a copy of the model, without its user's
hooks, runs once on the meta device, where nothing is computed, and the operations on each output are recorded.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar
from weakref import ref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from groundup import checks
from groundup.backend import backend
from groundup.layers import BatchNorm, Conv2d, Linear
from groundup.models.classifier import ImageClassifier, copy_to_meta, hooks_of

M = TypeVar("M", bound=nn.Module)


def fold_batch_norm(model: M, *inputs: Sequence[int] | Tensor) -> M:
    """Return a copy of `model`, in eval mode, that computes the same without batch norms after a Conv2d or Linear.

    A norm is folded if its input is the output of such a layer and nothing else uses that output, and if both run once,
    have no hooks, and have the `forward` and the parameters of their class in groundup.layers. Others remain, such as
    those before a convolution in DenseNet. A folded norm is replaced by an empty `Sequential`.

    Why: a batch norm reads and writes the whole map and computes almost nothing, so that it costs memory bandwidth at
    inference; folded it costs nothing.

    Args:
        model: in eval mode. Save it before folding: `save_pretrained` refuses a folded model.
        inputs: for each argument of `forward`, the shape of one sample (without the batch), or a tensor with a batch;
            an image classifier needs none.

    Raises `ValueError` for a model in training mode, whose batch norms depend on the batch, and for one all of whose
    batch norms are of torch.nn.

    Example:
        >>> from groundup.models import ResNet34
        >>> folded = fold_batch_norm(ResNet34(width=4).eval())
        >>> any(isinstance(module, BatchNorm) for module in folded.modules())
        False
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    training = [name or type(model).__name__ for name, module in model.named_modules() if module.training]
    checks.require(
        not training, f"model must be in eval mode to be folded, but {training[:1]} trains: call model.eval() first"
    )
    pairs = _find_pairs(model, _build_arguments(model, inputs))
    others = [name for name, module in model.named_modules() if _is_torchs(module)]
    checks.require(
        bool(pairs) or not others,
        f"model: nothing can be folded, its batch norms ({', '.join(others[:1])}, …) are of torch.nn, not of "
        "groundup.layers: torch.nn.utils.fusion.fuse_conv_bn_eval folds those",
    )
    folded = copy.deepcopy(model)
    for layer_name, norm_name in pairs:
        layer, norm = folded.get_submodule(layer_name), folded.get_submodule(norm_name)
        assert isinstance(layer, (Conv2d, Linear))
        assert isinstance(norm, BatchNorm)
        _fold(layer, norm)
        empty = nn.Sequential().eval()
        for module in list(folded.modules()):
            if isinstance(module, ImageClassifier) and (layer in module.modules() or norm in module.modules()):
                module.folded = True
            for name in [name for name, part in module._modules.items() if part is norm]:  # one norm, several names
                setattr(module, name, empty)
    return folded


@torch.no_grad()
def _fold(layer: Conv2d | Linear, norm: BatchNorm) -> None:
    """Give the layer new parameters, computed in float64; tensors that it shared with other layers do not change."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() if layer.bias is None else layer.bias.double() - norm.running_mean.double()
    bias = shift * scale if norm.bias is None else shift * scale + norm.bias.double()
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.dim() - 1))
    trained = layer.weight.requires_grad
    layer.weight = nn.Parameter(weight.to(layer.weight.dtype), trained)
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype), trained)


def _build_arguments(model: nn.Module, inputs: Sequence[Sequence[int] | Tensor]) -> list[Tensor]:
    if not inputs and isinstance(model, ImageClassifier):
        inputs = ((model.in_channels, *[max(model.min_size, 32)] * 2),)
    checks.require(len(inputs) > 0, "inputs: give the shape of one sample for each argument of forward")
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)

    def argument(value: Sequence[int] | Tensor) -> Tensor:
        if isinstance(value, Tensor):
            return value.to("meta", dtype if value.is_floating_point() else None)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"inputs must be shapes of one sample, as (3, 32, 32), or tensors; got {value!r}")
        return torch.empty(2, *(checks.integer("inputs", n, 0) for n in value), device="meta", dtype=dtype)

    return [argument(value) for value in inputs]


class _Recorder(TorchDispatchMode):
    """Records which operations use the outputs of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[tuple[str, ref[Tensor]]] = []  # of the layer with that name, one per call
        self.users: dict[str, list[str]] = defaultdict(list)  # layer → batch norms by name, any other operation as ""
        self.norm = ""  # the batch norm that is running

    def note(self, user: str, values: Any) -> None:
        used = {id(value) for value in tree_leaves(values) if isinstance(value, Tensor)}
        for layer, output in self.outputs:
            if id(output()) in used:
                self.users[layer].append(user)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.norm:
            self.note("", (args, kwargs))
        return func(*args, **(kwargs or {}))


def _find_pairs(original: nn.Module, arguments: list[Tensor]) -> list[tuple[str, str]]:
    """Return (layer, norm) for every norm that can be folded, from a run of a copy on the meta device."""
    model, recorder = copy_to_meta(original), _Recorder()
    calls: Counter[str] = Counter()

    def use_in_hooks(module: nn.Module, *values: Any) -> None:
        recorder.note("", values)

    for (name, module), own in zip(model.named_modules(), original.modules()):

        def after_layer(module: nn.Module, _: Any, y: Tensor, name: str = name) -> None:
            calls[name] += 1
            if y.dim() == (4 if isinstance(module, Conv2d) else 2):  # axis 1, which the norm normalises, is the output
                recorder.outputs.append((name, ref(y)))

        def before_norm(module: nn.Module, values: tuple[Tensor, ...], name: str = name) -> None:
            calls[name] += 1
            recorder.note(name, values)
            recorder.norm = name

        def after_norm(*_: Any) -> None:
            recorder.norm = ""

        if any(hooks_of(own)):
            module.register_forward_pre_hook(use_in_hooks)
            module.register_forward_hook(use_in_hooks)
        elif isinstance(module, BatchNorm) and module.running_mean is not None and _is_plain(own, BatchNorm):
            module.register_forward_pre_hook(before_norm)
            module.register_forward_hook(after_norm)
        elif isinstance(module, (Conv2d, Linear)) and _is_plain(own, Conv2d, Linear):
            module.register_forward_hook(after_layer)
    with backend("auto"), torch.no_grad(), recorder:
        result = model(*arguments)
    # An output that still exists is part of the result, or of the model.
    used = [(layer, recorder.users[layer]) for layer, output in recorder.outputs if output() is None]
    del result
    once = [(layer, users[0]) for layer, users in used if len(users) == 1 and users[0]]
    return [(layer, norm) for layer, norm in once if calls[layer] == calls[norm] == 1]


def _is_plain(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Return whether the module computes what one of these classes of groundup.layers does, from its own parameters."""
    return (
        any(type(module).forward is kind.forward for kind in kinds)
        and "forward" not in vars(module)
        and {"weight", "bias"} <= module._parameters.keys()
    )


def _is_torchs(module: nn.Module) -> bool:
    return any(kind.__name__ == "_BatchNorm" for kind in type(module).__mro__)
