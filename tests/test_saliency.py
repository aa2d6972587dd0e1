"""Saliency, by its laws: against finite differences, a loop over layers, and what the papers prove."""

import copy

import pytest
import torch
from torch import nn

from groundup import backend
from groundup.functional import relu
from groundup.layers import BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, ReLU
from groundup.models.classifier import ImageClassifier
from groundup.models.convolutional_networks import SimpleCNN, SimpleFullyCNN
from groundup.tools.saliency import grad_cam, gradient, guided_gradient, saliency_map


class Net(ImageClassifier):
    """Convolutions with ReLUs as functions, as layers and in place; a mean; a linear head."""

    def __init__(self, inplace=False, dropout=0.0):
        super().__init__()
        self.num_classes, self.in_channels = 4, 3
        self.first = nn.Sequential(Conv2d(3, 5, 3, padding=1), BatchNorm2d(5), ReLU(inplace), MaxPool2d(2))
        self.second = nn.Sequential(Conv2d(5, 6, 3, padding=1), ReLU(inplace))
        self.dropout = Dropout(dropout)
        self.head = Linear(6, 4)

    def forward_features(self, x):
        return self.second(self.first(x))

    def forward_head(self, x, pre_logits=False):
        x = x.mean((2, 3))
        return x if pre_logits else self.head(self.dropout(x))


class Functional(Net):
    def forward_features(self, x):
        x = self.first(x)
        return relu(self.second[0](x))


def net(cls=Net, **arguments):
    model = cls(**arguments).double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else torch.randn_like(tensor))
    return model.eval()


def images(count=3, size=8):
    return torch.randn(count, 3, size, size, dtype=torch.float64)


EVERY = [gradient, guided_gradient, grad_cam]


def test_the_gradient_is_a_finite_difference():
    model, x = net(), images()
    target = torch.tensor([0, 3, 1])
    w, h = gradient(model, x, target), 1e-6
    for n, c, i, j in [(0, 0, 0, 0), (1, 2, 7, 3), (2, 1, 4, 4)]:
        up, down = x.clone(), x.clone()
        up[n, c, i, j] += h
        down[n, c, i, j] -= h
        difference = (model(up)[n, target[n]] - model(down)[n, target[n]]) / (2 * h)
        assert abs(w[n, c, i, j] - difference) < 1e-7


def test_saliency_map_is_the_largest_channel():
    w = torch.tensor([[[[1.0, -5.0]], [[-2.0, 3.0]], [[0.0, 4.0]]]])
    assert torch.equal(saliency_map(w), torch.tensor([[[2.0, 5.0]]]))


def guided_by_hand(model, x, target):
    """The backward pass of Net, layer by layer, with the paper's rule at both ReLUs."""
    conv1, norm, *_ = model.first
    conv2, _ = model.second
    z1 = norm(conv1(x))
    y1 = z1.clamp(min=0)
    p, where = nn.functional.max_pool2d(y1, 2, return_indices=True)
    z2 = conv2(p)
    r = model.head.weight[target][:, :, None, None] / z2[0, 0].numel()
    r = r.expand_as(z2)
    r = (z2 > 0) * (r > 0) * r
    r = nn.functional.conv_transpose2d(r, conv2.weight, padding=1)
    r = nn.functional.max_unpool2d(r, where, 2)
    r = (z1 > 0) * (r > 0) * r
    r = r * (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None, None]
    return nn.functional.conv_transpose2d(r, conv1.weight, padding=1)


@pytest.mark.parametrize("mode", ["auto", "reference"])
@pytest.mark.parametrize("build", [net, lambda: net(inplace=True), lambda: net(Functional)])
def test_guided_backpropagation_is_the_papers_rule_layer_by_layer(build, mode):
    model = build()
    x, target = images(), torch.tensor([2, 0, 1])
    with backend(mode):
        w = guided_gradient(model, x, target)
    assert torch.allclose(w, guided_by_hand(model, x, target), atol=1e-12)
    assert not torch.allclose(w, gradient(model, x, target))


def test_guided_backpropagation_is_the_gradient_where_all_is_positive():
    model, x = net(), images().abs()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
        model.first[1].running_mean.zero_()
    assert torch.allclose(guided_gradient(model, x, 1), gradient(model, x, 1), atol=1e-12)


@pytest.mark.parametrize("inplace", [False, True])
def test_grad_cam_of_a_mean_and_a_linear_layer_is_cam(inplace):
    """Selvaraju et al., appendix A: Σ_k w_k^c A^k, divided by the number of places."""
    model, x = net(inplace=inplace), images()
    maps = model.forward_features(x)
    for target in range(4):
        cam = torch.einsum("k,nkpq->npq", model.head.weight[target], maps).clamp(min=0) / maps[0, 0].numel()
        assert torch.allclose(grad_cam(model, x, target), cam, atol=1e-12)


@pytest.mark.parametrize("layer", ["first", "first.0", "second.0"])
@pytest.mark.parametrize("inplace", [False, True])
def test_grad_cam_of_any_layer(layer, inplace):
    """The maps are those that the layer gave, before anything behind it works in place."""
    model, x, target = net(inplace=inplace), images(), torch.tensor([0, 3, 2])
    seen = []
    plain = copy.deepcopy(model)
    for module in plain.modules():
        if isinstance(module, ReLU):
            module.inplace = False
    handle = plain.get_submodule(layer).register_forward_hook(lambda m, i, o: seen.append(o))
    score = plain(x).gather(1, target[:, None]).sum()
    handle.remove()
    (g,) = torch.autograd.grad(score, seen[0])
    expected = (g.mean((2, 3), keepdim=True) * seen[0]).sum(1).clamp(min=0)
    assert torch.allclose(grad_cam(model, x, target, layer), expected, atol=1e-12)


@pytest.mark.parametrize("explain", EVERY)
def test_each_image_is_explained_alone(explain):
    model, x, target = net(), images(), torch.tensor([1, 0, 3])
    together = explain(model, x, target)
    for n in range(3):
        assert torch.allclose(together[n : n + 1], explain(model, x[n : n + 1], int(target[n])), atol=1e-12)


@pytest.mark.parametrize("explain", EVERY)
def test_by_default_the_likeliest_class(explain):
    model, x = net(), images()
    assert torch.equal(explain(model, x), explain(model, x, model(x).argmax(1)))


@pytest.mark.parametrize("explain", EVERY)
@pytest.mark.parametrize("around", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_nothing_is_left_behind(explain, around):
    """Neither hooks nor gradients, neither modes nor moving averages: looking changes nothing."""
    model = net(dropout=0.5).train()
    model.first[1].eval()
    model.second.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    with around():
        x = images()
        w = explain(model, x, 1)
        assert not x.requires_grad
    assert not w.requires_grad
    assert torch.equal(w, explain(copy.deepcopy(model).eval(), x, 1))  # no dropout, no batch statistics
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(model.head.weight.grad, torch.ones_like(model.head.weight))
    assert model.first[0].weight.grad is None
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    plain = torch.autograd.grad(model.eval()(x.clone().requires_grad_())[:, 1].sum(), model.first[0].weight)
    again = torch.autograd.grad(model(x.clone())[:, 1].sum(), model.first[0].weight)
    assert torch.equal(*plain, *again)


@pytest.mark.parametrize("explain", EVERY)
def test_nothing_is_left_behind_by_a_failure(explain):
    model = net().train()
    with pytest.raises(ValueError, match="target holds the label 4, but there are 4 classes"):
        explain(model, images(), 4)
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())


class Smooth(Net):
    def forward_features(self, x):
        return self.second[0](self.first[0](x)).tanh()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: guided_gradient(net(Smooth), images()), "model must have ReLUs .*; Smooth has none"),
        (lambda: grad_cam(net(), images(), layer="third"), "layer must be a part of Net, first, .*; got 'third'"),
        (lambda: grad_cam(net(), images(), layer="head"), "layer must return maps .* head does not: it gives"),
        (lambda: grad_cam(net(Functional), images(), layer="second"), "second does not: it was not called"),
        (lambda: gradient(net(), images(), torch.tensor([0, 1])), "target must have 3 classes, one for each image"),
        (lambda: gradient(net(), images()[:, :2]), "x must have 3 channels"),
        (lambda: gradient(net(), images(), -1), "target must be at least 0, got -1"),
        (lambda: gradient(net(), images(), torch.zeros(3, 1, dtype=torch.int64)), r"target must have shape \(N,\) or"),
    ],
)
def test_wrong_input(untyped, call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("explain", EVERY)
def test_wrong_types(untyped, explain):
    for x in (images().to(torch.uint8), images().numpy(), None):
        with pytest.raises(TypeError, match="x must be a"):
            explain(net(), x, 1)
    for target in (2.0, [0, 1, 2], "a", True, torch.ones(3), torch.tensor(True)):
        with pytest.raises(TypeError, match="target must be an int"):
            explain(net(), images(), target)


@pytest.mark.parametrize("explain", EVERY)
def test_one_class_for_all_may_be_a_tensor(untyped, explain):
    model, x = net(), images()
    assert torch.equal(explain(model, x, torch.tensor(1)), explain(model, x, 1))


@pytest.mark.parametrize("explain", EVERY)
def test_a_model_that_scores_every_place(explain):
    """The score is the sum over the map: a window alone says as much of its pixels as SimpleCNN does."""
    whole = SimpleCNN().double()
    slid, x = SimpleFullyCNN.slide(whole), images(size=32)
    target = torch.tensor([4, 0, 9])
    assert torch.allclose(explain(slid, x, target), explain(whole, x, target), atol=1e-12)
    assert torch.allclose(explain(slid, x), explain(whole, x), atol=1e-12)
    larger = images(2, 40)
    assert explain(slid, larger, 3).shape[0] == 2
    if explain is gradient:
        leaf = larger.clone().requires_grad_()
        assert torch.allclose(*torch.autograd.grad(slid(leaf)[:, 3].sum(), leaf), gradient(slid, larger, 3))


def test_a_model_without_stages_needs_the_layers_name(untyped):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.Flatten(), torch.nn.Linear(48, 2))
    x = torch.randn(2, 1, 6, 6)
    assert grad_cam(net, x, layer="0").shape == (2, 4, 4)
    with pytest.raises(ValueError, match="layer must be named for a Sequential, which has no stages"):
        grad_cam(net, x)
