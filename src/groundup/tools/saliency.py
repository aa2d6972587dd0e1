"""Saliency: which pixels decide for a class of an image classifier, by three methods.

S_c is the score of class c before the softmax, x the image, A^k the k-th map of a layer.

    gradient           w = ∂S_c / ∂x                                     the effect of a change of each pixel
    guided_gradient    the same, but ReLUs pass back positive values only    pixels in favour of the class, sharply
    grad_cam           relu(Σ_k α_k A^k),  α_k = mean_ij ∂S_c / ∂A^k_ij  regions in favour of the class

Simonyan, Vedaldi, Zisserman 2014, Deep Inside Convolutional Networks, arXiv:1312.6034, section 3;
Springenberg, Dosovitskiy, Brox, Riedmiller 2015, Striving for Simplicity, arXiv:1412.6806, section 3.4;
Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391, section 3.

The model computes in eval mode; its modes, gradients, buffers and hooks are unchanged afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from groundup import checks
from groundup.backend import backend
from groundup.models.classifier import ImageClassifier

Images = Float[Tensor, "N C H W"]
Classes = int | Int64[Tensor, " N"] | Int64[Tensor, ""] | None


def gradient(model: ImageClassifier, x: Images, target: Classes = None) -> Images:
    """Return w = ∂S_c / ∂x for each image. Simonyan et al. 2014, section 3.1.

    Why: the score of a class is nearly linear in a small change of the image, and w are its coefficients. The paper
    shows max_channel |w|: see `saliency_map`.

    Args:
        model: an image classifier. If it scores every place of an image, as SimpleFullyCNN, S_c is the sum of them.
        x: the images.
        target: c, one class for all images or one per image; by default the likeliest of each.
    """
    with _inspection(model):
        x = _leaf(x)
        (w,) = torch.autograd.grad(_score(model, x, target), x)
    return w


def guided_gradient(model: ImageClassifier, x: Images, target: Classes = None) -> Images:
    """Return the guided gradient: every y = relu(z) passes R_z = 1[z > 0] · 1[R_y > 0] · R_y back to its input.

    Springenberg et al. 2015, section 3.4: the first factor is that of the gradient, the second that of the deconvnet.
    Why: negative values, from pixels against the class, would cancel positive ones and blur the picture.

    Args:
        model, x, target: as for `gradient`.

    Raises `ValueError` for a model without a ReLU, for which this would be the plain gradient.
    """
    with _inspection(model), backend("auto"):  # the kernel leaves a ReLU node in the graph
        x = _leaf(x)
        score = _score(model, x, target)
        relus = [node for node in _nodes(score.grad_fn) if type(node).__name__ == "ReluBackward0"]
        name = type(model).__name__
        checks.require(len(relus) > 0, f"model must have ReLUs to guide the gradient through; {name} has none")
        for node in relus:  # the graph and these hooks are freed when this function returns
            node.register_prehook(lambda gradients: tuple(torch.relu(g) for g in gradients))
        (w,) = torch.autograd.grad(score, x)
    return w


def grad_cam(model: ImageClassifier, x: Images, target: Classes = None, layer: str = "") -> Float[Tensor, "N P Q"]:
    """Return relu(Σ_k α_k A^k), in the size of the maps A (N, K, P, Q) of a layer.

    Selvaraju et al. 2017, equations 1 and 2. Why: maps of late layers respond to parts of objects and still have a
    place in the image; α_k says how much map k increases the score. If a mean over the map and one linear layer follow,
    this is the class activation map of Zhou et al. 2016 up to a factor (appendix A).

    Args:
        model, x, target: as for `gradient`.
        layer: name of the module; by default the last stage.

    Raises `ValueError` for a layer that the model does not have, or that returns no maps.
    """
    stages: tuple[str, ...] = getattr(model, "stages", ())
    checks.require(bool(layer or stages), f"layer must be named for a {type(model).__name__}, which has no stages")
    layer = layer or stages[-1]
    if layer not in (names := [name for name, _ in model.named_modules() if name]):
        raise ValueError(f"layer must be a part of {type(model).__name__}, {', '.join(names)}; got {layer!r}")
    seen: list[Any] = []

    def keep(_: nn.Module, __: Any, output: Any) -> Any:
        seen.append(output)
        return output.clone() if isinstance(output, Tensor) else output  # a later module may work in place

    with _inspection(model), ExitStack() as hooks:
        hooks.callback(model.get_submodule(layer).register_forward_hook(keep).remove)
        score = _score(model, _leaf(x), target)
        maps = seen[-1] if seen else None
        if not isinstance(maps, Tensor) or maps.dim() != 4:
            found = "it was not called" if maps is None else f"it gives {getattr(maps, 'shape', type(maps).__name__)}"
            raise ValueError(f"layer must return maps of shape (N, K, P, Q), but {layer} does not: {found}")
        (g,) = torch.autograd.grad(score, maps)
    alpha = g.mean((2, 3), keepdim=True)  # N, K, 1, 1
    return torch.relu((alpha * maps).sum(1)).detach()


def saliency_map(w: Images) -> Float[Tensor, "N H W"]:
    """Return M_ij = max_channel |w_ij| for a gradient w. Simonyan et al. 2014, section 3.1."""
    return w.abs().amax(1)


def _score(model: ImageClassifier, x: Tensor, target: Classes) -> Tensor:
    """Return Σ_n S_c(x_n). In eval mode images do not influence each other, so its derivative is that of each."""
    scores = model(x)
    if target is None:
        return scores.gather(1, scores.argmax(1, keepdim=True)).sum()
    if not isinstance(target, Tensor):
        target = torch.tensor(checks.integer("target", target, 0))
    if target.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"target must be an int, or int64 with a class for each image, got {target.dtype}")
    checks.rank("target", target, 0, 1, layout="(N,) or ()")
    classes = target.to(x.device).long()
    classes = classes if classes.dim() else classes.expand(len(x))
    checks.size("target", classes, 0, len(x), "classes, one for each image")
    checks.labels("target", classes, scores.size(1))
    each = classes.view(-1, *[1] * (scores.dim() - 1)).expand(-1, 1, *scores.shape[2:])
    return scores.gather(1, each).sum()


def _leaf(x: Tensor) -> Tensor:
    return checks.floating("x", x).detach().clone().requires_grad_()


def _nodes(start: Any) -> Iterator[Any]:
    """Iterate over the nodes of the graph behind `start`, each once."""
    stack, seen = [start], {start}
    while stack:
        node = stack.pop()
        yield node
        new = {parent for parent, _ in node.next_functions if parent is not None} - seen
        seen |= new
        stack.extend(new)


@contextmanager
def _inspection(model: nn.Module) -> Iterator[None]:
    """Enable gradients and eval mode within the block, and restore the modes of all parts after it."""
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.inference_mode(False), torch.enable_grad():
            model.eval()
            yield
    finally:
        for module, training in modes.items():
            module.training = training
