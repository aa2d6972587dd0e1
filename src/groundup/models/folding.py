"""Batch norms folded into the layers before them: at inference both are linear, and one layer does.

    γ (W x + b - μ) / √(σ² + ε) + β  =  (s W) x + (β + s (b - μ)),   s = γ / √(σ² + ε), one number a channel

Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
arXiv:1712.05877, section 3.2. Which norm follows which layer is not read off names but seen: a copy of the model runs
once on the meta device, where nothing is computed.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from groundup import checks
from groundup.backend import backend
from groundup.layers import BatchNorm, Conv2d, Linear
from groundup.models.classifier import ImageClassifier

M = TypeVar("M", bound=nn.Module)


def fold_batch_norm(model: M, *inputs: Sequence[int] | Tensor) -> M:
    """A copy of `model`, in eval mode, that computes the same without the batch norms that follow a Conv2d or Linear.

    A norm is folded if its input is the output of such a layer and nothing else uses that output, and if both run once.
    Others stay, as those before a convolution in DenseNet. In the place of a folded one stands an empty chain.

    inputs: for each argument of `forward`, the shape of one sample (without the batch), or a tensor with a batch;
    an image classifier needs none. Raises `ValueError` for a model in training mode, whose batch norms depend on the
    batch.
    """
    training = [name or type(model).__name__ for name, module in model.named_modules() if module.training]
    checks.require(
        not training, f"model must be in eval mode to be folded, but {training[:1]} trains: call model.eval() first"
    )
    folded = copy.deepcopy(model)
    for layer_name, norm_name in _seen(folded, _arguments(model, inputs)):
        layer, norm = folded.get_submodule(layer_name), folded.get_submodule(norm_name)
        assert isinstance(layer, (Conv2d, Linear))
        assert isinstance(norm, BatchNorm)
        _fold(layer, norm)
        parent, _, name = norm_name.rpartition(".")
        setattr(folded.get_submodule(parent), name, nn.Sequential().eval())
    return folded


@torch.no_grad()
def _fold(layer: Conv2d | Linear, norm: BatchNorm) -> None:
    """Give the layer new parameters, in float64 until the last moment; tensors it shared with others stay theirs."""
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


def _arguments(model: nn.Module, inputs: Sequence[Sequence[int] | Tensor]) -> list[Tensor]:
    if not inputs and isinstance(model, ImageClassifier):
        inputs = ((model.in_channels, *[max(model.min_size, 32)] * 2),)
    checks.require(len(inputs) > 0, "inputs: give the shape of one sample for each argument of forward")
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)

    def imagined(value: Sequence[int] | Tensor) -> Tensor:
        if isinstance(value, Tensor):
            return value.to("meta", dtype if value.is_floating_point() else None)
        return torch.empty(2, *value, device="meta", dtype=dtype)

    return [imagined(value) for value in inputs]


@dataclass
class _Output:
    """What a Conv2d or Linear returned, and who used it: batch norms by name, and anything else by ""."""

    layer: str
    value: Tensor
    users: list[str]


class _Uses(TorchDispatchMode):
    """Notes every operation on an output of interest."""

    def __init__(self, outputs: list[_Output]) -> None:
        super().__init__()
        self.outputs = outputs
        self.norm = ""  # the batch norm that is running

    def note(self, user: str, values: Any) -> None:
        for value in tree_leaves(values):
            for output in self.outputs:
                if output.value is value:
                    output.users.append(user)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.norm:
            self.note("", (args, kwargs))
        return func(*args, **(kwargs or {}))


def _seen(model: nn.Module, arguments: list[Tensor]) -> list[tuple[str, str]]:
    """(layer, norm) for every norm that can be folded, by running the model with all its tensors on the meta device."""
    outputs: list[_Output] = []
    uses = _Uses(outputs)
    calls: Counter[nn.Module] = Counter()
    with ExitStack() as stack:
        for name, module in model.named_modules():

            def after_layer(module: nn.Module, _: Any, y: Tensor, name: str = name) -> None:
                calls[module] += 1
                outputs.append(_Output(name, y, []))

            def before_norm(module: nn.Module, values: tuple[Tensor, ...], name: str = name) -> None:
                calls[module] += 1
                uses.note(name, values)
                uses.norm = name

            def after_norm(*_: Any) -> None:
                uses.norm = ""

            if isinstance(module, (Conv2d, Linear)):
                stack.callback(module.register_forward_hook(after_layer).remove)
            elif isinstance(module, BatchNorm):
                stack.callback(module.register_forward_pre_hook(before_norm).remove)
                stack.callback(module.register_forward_hook(after_norm).remove)
        tensors = {name: t.to("meta") for name, t in (*model.named_parameters(), *model.named_buffers())}
        with backend("auto"), torch.no_grad(), uses:
            result = torch.func.functional_call(model, tensors, tuple(arguments))
        uses.note("", result)

    pairs = []
    for output in outputs:
        if len(output.users) != 1 or not output.users[0]:
            continue
        layer, norm = model.get_submodule(output.layer), model.get_submodule(output.users[0])
        assert isinstance(norm, BatchNorm)
        axes = 4 if isinstance(layer, Conv2d) else 2  # where the channels are the axis that is normalised
        if calls[layer] == calls[norm] == 1 and norm.running_mean is not None and output.value.dim() == axes:
            pairs.append((output.layer, output.users[0]))
    return pairs
