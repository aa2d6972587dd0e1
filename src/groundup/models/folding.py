"""Batch norms folded into the layers before them: at inference both are linear, and one layer does.

    γ (W x + b - μ) / √(σ² + ε) + β  =  (s W) x + (β + s (b - μ)),   s = γ / √(σ² + ε), one number a channel

Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
arXiv:1712.05877, section 3.2. Which norm follows which layer is not read off names but seen: a copy of the model, with
none of its user's hooks, runs once on the meta device, where nothing is computed.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
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

    A norm is folded if its input is the output of such a layer and nothing else uses that output, and if both run once,
    have no hooks, and have the `forward` and the parameters of their class in groundup.layers. Others stay, as those
    before a convolution in DenseNet. In the place of a folded one stands an empty chain.

    inputs: for each argument of `forward`, the shape of one sample (without the batch), or a tensor with a batch;
    an image classifier needs none. Raises `ValueError` for a model in training mode, whose batch norms depend on the
    batch, and for one all of whose batch norms are torch.nn's. Save before folding: `save_pretrained` refuses after it.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    training = [name or type(model).__name__ for name, module in model.named_modules() if module.training]
    checks.require(
        not training, f"model must be in eval mode to be folded, but {training[:1]} trains: call model.eval() first"
    )
    pairs = _seen(imagined(model), _arguments(model, inputs))
    others = [name for name, module in model.named_modules() if _of_torch(module)]
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
            for name in [name for name, part in module._modules.items() if part is norm]:  # it may have several
                setattr(module, name, empty)
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

    def argument(value: Sequence[int] | Tensor) -> Tensor:
        if isinstance(value, Tensor):
            return value.to("meta", dtype if value.is_floating_point() else None)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"inputs must be shapes of one sample, as (3, 32, 32), or tensors; got {value!r}")
        return torch.empty(2, *(checks.integer("inputs", n, 0) for n in value), device="meta", dtype=dtype)

    return [argument(value) for value in inputs]


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
        for value in _leaves(values):
            for output in self.outputs:
                if output.value is value:
                    output.users.append(user)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.norm:
            self.note("", (args, kwargs))
        return func(*args, **(kwargs or {}))


def _leaves(values: Any) -> Iterator[Any]:
    """What containers hold, dataclasses and plain objects among them, which PyTorch's own trees do not look into."""
    waiting, known = [values], set()
    while waiting:
        for value in tree_leaves(waiting.pop()):
            yield value
            if isinstance(value, (Tensor, nn.Module, type)) or id(value) in known:
                continue
            known.add(id(value))
            waiting.extend(getattr(value, "__dict__", {}).values())
            if is_dataclass(value):
                waiting.extend(getattr(value, field.name, None) for field in fields(value))


def imagined(model: M) -> M:
    """A copy with all its tensors on the meta device; what was under several names, still is."""
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        there = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(there, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else there
    return copy.deepcopy(model, memo)


def _hooks(module: nn.Module) -> list[dict[int, Any]]:
    return [module._forward_pre_hooks, module._forward_hooks, module._backward_pre_hooks, module._backward_hooks]


def _plain(module: nn.Module) -> bool:
    """Whether it computes what its class in groundup.layers does, of its own parameters, and nobody looks on."""
    own = next(kind for kind in (Conv2d, Linear, BatchNorm) if isinstance(module, kind))
    return (
        type(module).forward is own.forward
        and "forward" not in vars(module)
        and {"weight", "bias"} <= module._parameters.keys()
        and not any(_hooks(module))
    )


def _of_torch(module: nn.Module) -> bool:
    return any(kind.__name__ == "_BatchNorm" for kind in type(module).__mro__)


def _seen(model: nn.Module, arguments: list[Tensor]) -> list[tuple[str, str]]:
    """(layer, norm) for every norm that can be folded, by running the model, all of whose tensors are on meta."""
    outputs: list[_Output] = []
    uses = _Uses(outputs)
    calls: Counter[nn.Module] = Counter()
    plain = {module for module in model.modules() if isinstance(module, (Conv2d, Linear, BatchNorm)) and _plain(module)}

    def seen_by_hooks(module: nn.Module, *values: Any) -> None:
        uses.note("", values)

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

        looked_at = any(_hooks(module))
        for hooks in _hooks(module):  # numbers they would not find; pruning, and the like, makes the weight in one
            for key in [key for key, hook in hooks.items() if not type(hook).__module__.startswith("torch.")]:
                del hooks[key]
        if looked_at:
            module.register_forward_pre_hook(seen_by_hooks)
            module.register_forward_hook(seen_by_hooks)
        elif module in plain and isinstance(module, BatchNorm):
            module.register_forward_pre_hook(before_norm)
            module.register_forward_hook(after_norm)
        elif module in plain:
            module.register_forward_hook(after_layer)
    with backend("auto"), torch.no_grad(), uses:
        result = model(*arguments)
    uses.note("", result)
    uses.note("", [value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor)])

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
