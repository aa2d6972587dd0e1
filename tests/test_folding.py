"""Folding: the folded model is the same function, and what cannot be folded stays unchanged."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from groundup import backend
from groundup.layers import BatchNorm1d, BatchNorm2d, Conv2d, Linear, ReLU
from groundup.models.convolutional_networks import LeNet5
from groundup.models.residual_networks import DenseNet121, ResNet34, ResNet50, ResNeXt50, SEResNet50
from groundup.tools.folding import fold_batch_norm
from parity import randomise, seeded_randn
from rows.oracles.residual import randomise_norms


def norms(model):
    return sum(isinstance(module, (BatchNorm1d, BatchNorm2d)) for module in model.modules())


def assert_same_function(model, folded, *shape):
    x = seeded_randn(*shape)
    expected = model(x)
    torch.testing.assert_close(folded(x), expected, rtol=0, atol=1e-10 * max(1.0, expected.abs().max().item()))


@pytest.mark.parametrize("mode", ["auto", "reference"])
@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda: ResNet34(width=8), 0),
        (lambda: ResNet50(width=8, variant="paper"), 0),
        (lambda: ResNeXt50(width=16, groups=4), 0),
        (lambda: SEResNet50(width=8), 0),
        (lambda: DenseNet121(growth_rate=4), 62),  # those before a convolution: 58 first ones, 3 transitions, the last
    ],
    ids=["ResNet34", "ResNet50", "ResNeXt50", "SEResNet50", "DenseNet121"],
)
def test_networks(build, left, mode):
    model = randomise_norms(build().double().eval())
    with backend(mode):
        folded = fold_batch_norm(model)
        assert norms(folded) == left
        assert_same_function(model, folded, 2, 3, 41, 40)


def test_the_original_is_left_alone():
    model = randomise_norms(ResNet34(width=4, depths=(1, 1, 1, 1)).eval())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert norms(model) > 0
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in (*model.modules(), *folded.modules()))
    assert not folded.training
    assert not any(value.is_meta for value in folded.state_dict().values())


class Mixed(nn.Module):
    """A pair of each kind that can be folded, and of each that cannot."""

    def __init__(self, **bn):
        super().__init__()
        self.conv, self.norm_after = Conv2d(3, 4, 3, padding=1), BatchNorm2d(4, **bn)  # names that say nothing
        self.bn1, self.conv1 = BatchNorm2d(4, **bn), Conv2d(4, 6, 1)  # numbered alike, but the norm comes first
        self.conv2, self.bn2 = Conv2d(6, 6, 3, padding=1, groups=2), BatchNorm2d(6, **bn)  # its output is used twice
        self.conv3, self.bn3 = Conv2d(6, 6, 1), BatchNorm2d(6, **bn)  # runs twice
        self.conv4, self.bn4 = Conv2d(6, 6, 1), BatchNorm2d(6, **bn)  # a relu in place between the two
        self.conv5, self.bn5 = Conv2d(6, 6, 1), BatchNorm2d(6, track_running_stats=False)
        self.head = nn.Sequential(Linear(6, 5, bias=False), BatchNorm1d(5, **bn), ReLU(), Linear(5, 2))
        self.relu = ReLU(inplace=True)

    def forward(self, x):
        x = self.bn1(self.relu(self.norm_after(self.conv(x))))
        x = self.conv2(self.conv1(x))
        x = x + self.bn2(x)
        x = self.bn3(self.conv3(self.bn3(self.conv3(x))))
        x = self.bn4(self.relu(self.conv4(x)))
        x = self.bn5(self.conv5(x))
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("affine", [True, False])
def test_only_what_can_be_folded_is(affine):
    model = randomise(Mixed(affine=affine, eps=0.1)).double().eval()
    folded = fold_batch_norm(model, (3, 8, 7))
    gone = [name for name, module in folded.named_modules() if isinstance(module, nn.Sequential) and not len(module)]
    assert gone == ["norm_after", "head.1"]
    assert folded.head[0].bias is not None
    assert_same_function(model, folded, 3, 3, 8, 7)
    assert_same_function(model, fold_batch_norm(model, torch.ones(2, 3, 8, 7)), 3, 3, 8, 7)


def test_an_output_of_the_model_is_not_changed():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = Conv2d(3, 4, 1), BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(x)
            return y, self.bn(y)

    folded = fold_batch_norm(Both().eval(), (3, 4, 4))
    assert norms(folded) == 1


def test_an_output_that_the_model_keeps_or_drops():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn, self.unused = Conv2d(3, 4, 1), BatchNorm2d(4), Conv2d(3, 4, 1)

        def forward(self, x):
            self.unused(x)
            self.seen = self.conv(x)
            return self.bn(self.seen)

    assert norms(fold_batch_norm(Keeps().eval(), (3, 4, 4))) == 1


def test_shared_weights_stay_their_other_owners():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.other, self.bn = Conv2d(3, 3, 1), Conv2d(3, 3, 1), BatchNorm2d(3)
            self.other.weight = self.conv.weight

        def forward(self, x):
            return self.other(self.bn(self.conv(x)))

    model = randomise(Tied()).double().eval()
    folded = fold_batch_norm(model, (3, 4, 4))
    assert norms(folded) == 0
    assert_same_function(model, folded, 2, 3, 4, 4)


def test_float32_and_lower_keep_their_type():
    for dtype in (torch.float32, torch.bfloat16):
        folded = fold_batch_norm(ResNet34(width=4, dtype=dtype).eval())
        assert {p.dtype for p in folded.parameters()} == {dtype}


def test_it_can_be_trained():
    """Folded parameters are parameters, and require gradients where the layer's did."""
    model = ResNet34(width=4).eval()
    model.stem.requires_grad_(False)
    folded = fold_batch_norm(model)
    folded(torch.randn(2, 3, 40, 40)).sum().backward()
    assert folded.layer1[0].conv1.bias.grad is not None
    assert not folded.stem.conv.weight.requires_grad


def test_a_model_without_norms_is_copied():
    model = LeNet5().eval()
    assert_same_function(model.double(), fold_batch_norm(model, (1, 32, 32)), 2, 1, 32, 32)


class Standardised(Conv2d):
    """A convolution with standardised weights: another function of the same parameters."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias)


def chain(layer=Conv2d):
    return nn.Sequential(layer(3, 4, 3), BatchNorm2d(4))


def hooked(place, kind):
    model = chain()
    if kind == "pre":
        model[place].register_forward_pre_hook(lambda module, values: (2 * values[0],))
    else:
        model[place].register_forward_hook(lambda module, values, y: 2 * y)
    return model


def reading():
    """A model with a hook that reads values, which the meta device does not have."""
    model = chain()
    model.seen = []
    model[0].register_forward_hook(lambda module, values, y: model.seen.append(y.mean().item()))
    return model


def normalised():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(Conv2d(3, 4, 3)), BatchNorm2d(4))


@pytest.mark.parametrize(
    "build",
    [
        lambda: chain(Standardised),
        lambda: hooked(0, "post"),
        lambda: hooked(0, "pre"),
        lambda: hooked(1, "post"),
        lambda: hooked(1, "pre"),
        reading,
        normalised,
    ],
    ids=["forward", "conv hook", "conv pre-hook", "norm hook", "norm pre-hook", "a hook that reads", "weight_norm"],
)
def test_what_is_more_than_a_layer_and_a_norm_stays(build):
    model = randomise(build()).double().eval()
    folded = fold_batch_norm(model, (3, 6, 5))
    assert norms(folded) == 1
    assert_same_function(model, folded, 2, 3, 6, 5)


def test_a_module_of_several_names_is_folded_under_all():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = Conv2d(3, 4, 3), BatchNorm2d(4)
            self.parts = nn.ModuleList([self.conv, self.norm])

        def forward(self, x):
            return self.parts[1](self.parts[0](x))

    model = randomise(Named()).double().eval()
    folded = fold_batch_norm(model, (3, 6, 5))
    assert norms(folded) == 0
    assert folded.norm is folded.parts[1]
    assert_same_function(model, folded, 2, 3, 6, 5)


@dataclass
class Pair:
    before: torch.Tensor
    after: torch.Tensor


def test_an_output_inside_of_an_object_is_an_output():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = Conv2d(3, 4, 1), BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(x)
            return Pair(y, self.bn(y))

    assert norms(fold_batch_norm(Both().eval(), (3, 4, 4))) == 1


def test_a_folded_model_is_not_saved(tmp_path):
    """Its config.json would name a class that has other tensors."""
    folded = fold_batch_norm(ResNet34(width=4).eval())
    with pytest.raises(ValueError, match=r"ResNet34 is folded.*save the model before fold_batch_norm"):
        folded.save_pretrained(tmp_path / "f")
    assert not (tmp_path / "f").exists()


@pytest.mark.usefixtures("untyped")
def test_errors():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got int"):
        fold_batch_norm(3)
    with pytest.raises(TypeError, match=r"inputs must be shapes of one sample, as \(3, 32, 32\), or tensors; got 3"):
        fold_batch_norm(ResNet34(width=4).eval(), 3)
    theirs = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    with pytest.raises(ValueError, match=r"its batch norms \(1, …\) are of torch\.nn.*fuse_conv_bn_eval folds those"):
        fold_batch_norm(theirs, (3, 6, 5))
    with pytest.raises(ValueError, match=r"model must be in eval mode to be folded.*call model\.eval\(\) first"):
        fold_batch_norm(ResNet34(width=4))
    half = ResNet34(width=4).eval()
    half.layer3[0].bn1.train()
    with pytest.raises(ValueError, match=r"layer3\.0\.bn1"):
        fold_batch_norm(half)
    with pytest.raises(ValueError, match="inputs: give the shape of one sample"):
        fold_batch_norm(nn.Sequential(Conv2d(3, 4, 3), BatchNorm2d(4)).eval())
