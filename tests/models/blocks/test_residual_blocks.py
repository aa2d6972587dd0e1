"""Residual and dense blocks: their counts, ResNeXt's three equal forms, initial weights, and known mistakes."""

from math import sqrt

import pytest
import torch
import torch.nn.functional as F

from groundup.layers import BatchNorm2d
from groundup.models.blocks import convolutional_blocks
from groundup.models.blocks.convolutional_blocks import (
    DenseBlock,
    DenseLayer,
    DenseTransition,
    ResBlock,
    ResBottleneckBlock,
    ResNeXtBlock,
)
from parity import randomise, run, seeded_randn
from peak import peak


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("block", "parameters"),
    [
        (ResBlock(64, 128, 2), 230_144),
        (ResBottleneckBlock(256, 512, 2), 379_392),
        (ResBottleneckBlock(256, 512, 2, variant="paper"), 379_392),
        (ResNeXtBlock(256, 512, 2), 349_184),
        (DenseLayer(64), 45_440),
        (DenseTransition(256), 33_280),
        (DenseBlock(64, 6), 335_040),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else None,
)
def test_parameters(block, parameters):
    assert count(block) == parameters


@pytest.mark.parametrize("block", [ResBlock(8, 64, 2), ResBottleneckBlock(8, 64, 2), ResNeXtBlock(8, 64, 2, groups=4)])
def test_the_projection_has_a_norm_and_no_bias(block):
    assert block.shortcut.conv.bias is None
    assert isinstance(block.shortcut.bn, BatchNorm2d)
    assert block.shortcut.conv.stride == (2, 2)


def test_the_shortcut_is_the_identity_where_the_shape_stays():
    for block in (ResBlock(8, 8), ResBottleneckBlock(8, 8), ResNeXtBlock(64, 64, groups=4)):
        assert count(block.shortcut) == 0
    assert count(ResBlock(8, 8, 2).shortcut) > 0  # smaller
    assert count(ResBlock(8, 16).shortcut) > 0  # wider


def test_where_the_stride_is():
    def strides(block):
        return [conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)]

    assert strides(ResBottleneckBlock(8, 16, 2)) == [1, 2, 1]
    assert strides(ResBottleneckBlock(8, 16, 2, variant="paper")) == [2, 1, 1]
    assert strides(ResNeXtBlock(8, 64, 2, groups=4)) == [1, 2, 1]
    assert strides(ResNeXtBlock(8, 64, 2, groups=4, variant="paper")) == [1, 2, 1]


@pytest.mark.parametrize("train", [True, False])
def test_the_three_forms_of_resnext(train):
    """Figure 3: paths summed (a), concatenated before the last 1 × 1 (b), and a grouped convolution (c), are equal."""
    paths, d = 4, 3
    block = randomise(ResNeXtBlock(6, 64, 2, groups=paths, width_per_group=12)).double().train(train)
    x = seeded_randn(2, 6, 7, 8)

    def norm(y, bn, part):
        mean, var = bn.running_mean[part].clone(), bn.running_var[part].clone()
        return F.batch_norm(y, mean, var, bn.weight[part], bn.bias[part], train)

    def path(i):
        part = slice(d * i, d * (i + 1))
        y = norm(F.conv2d(x, block.conv1.weight[part]), block.bn1, part).relu()
        return norm(F.conv2d(y, block.conv2.weight[part], stride=2, padding=1), block.bn2, part).relu()

    last = block.conv3.weight
    a = sum(F.conv2d(path(i), last[:, d * i : d * (i + 1)]) for i in range(paths))
    b = F.conv2d(torch.cat([path(i) for i in range(paths)], 1), last)
    shortcut = norm(F.conv2d(x, block.shortcut.conv.weight, stride=2), block.shortcut.bn, slice(None))
    everything = slice(None)
    for branches in (a, b):
        expected = (norm(branches, block.bn3, everything) + shortcut).relu()
        torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-10 * expected.abs().max().item())


@pytest.mark.parametrize("make", [ResBlock, ResBottleneckBlock, ResNeXtBlock])
def test_zero_init_residual(make):
    x = torch.randn(2, 128, 6, 5)
    assert torch.equal(make(128, 128, zero_init_residual=True)(x), x.relu())
    block = make(128, 256, 2, zero_init_residual=True)
    assert torch.equal(block(x), block.shortcut(x).relu())
    assert not torch.equal(make(128, 128)(x), x.relu())


def test_initial_weights():
    """Normal, variance 2 / fan_out; gates normal, variance 2 / fan_in."""
    block = ResBottleneckBlock(256, 256, se_reduction=16)
    for conv in (block.conv1, block.conv2, block.conv3):
        fan_out = conv.out_channels * conv.kernel_size[0] ** 2
        assert conv.weight.std().item() == pytest.approx(sqrt(2 / fan_out), rel=0.05)
    assert block.gate.fc1.weight.std().item() == pytest.approx(sqrt(2 / 256), rel=0.1)  # .088
    assert block.gate.fc2.weight.std().item() == pytest.approx(sqrt(2 / 16), rel=0.1)  # .354


def test_the_input_is_left_alone():
    """Blocks change only their own intermediate results in place."""
    for block in (ResBlock(8, 8), ResBottleneckBlock(8, 8, se_reduction=4), DenseBlock(8, 2), DenseTransition(8)):
        for train in (True, False):
            x = torch.randn(2, 8, 6, 6)
            before = x.clone()
            block.train(train)(x)
            assert torch.equal(x, before)


# ---- dense -------------------------------------------------------------------------------------------------------


def test_a_dense_layer_returns_the_new_features_alone():
    assert DenseLayer(10, 4)(torch.randn(2, 10, 5, 5)).shape == (2, 4, 5, 5)


def test_a_dense_block_keeps_old_features_first():
    block = DenseBlock(10, 3, growth_rate=4).eval()
    assert block.out_channels == 22
    assert DenseBlock(64, 6).out_channels == 256
    x = torch.randn(2, 10, 5, 5)
    y = block(x)
    assert y.shape == (2, 22, 5, 5)
    assert torch.equal(y[:, :10], x)
    for i, layer in enumerate(block.children()):
        seen = 10 + 4 * i
        torch.testing.assert_close(y[:, seen : seen + 4], layer(y[:, :seen]))


def test_a_dense_layer_concatenates_what_it_is_given():
    layer = DenseLayer(10, 4).eval()
    x = torch.randn(2, 10, 5, 5)
    torch.testing.assert_close(layer(x[:, :3], x[:, 3:4], x[:, 4:]), layer(x))


def test_dropout_of_new_features():
    """Each is 0 or the same, divided by 1 - p; no dropout in eval mode."""
    layer = DenseLayer(10, 4, dropout=0.25)
    for norm in (layer.bn1, layer.bn2):
        norm.eval()  # the same function in either mode, but for the dropout
    x = torch.randn(2, 10, 5, 5)
    dropped, kept = layer(x), layer.eval()(x)
    zero = dropped == 0
    assert 0.1 < zero.double().mean() < 0.4
    torch.testing.assert_close(dropped[~zero], kept[~zero] / 0.75)


def test_a_transition_keeps_a_share_of_the_channels():
    assert DenseTransition(7, 0.6).out_channels == 4
    assert DenseTransition(10, 0.7).out_channels == 7  # 0.7 · 10 is a little less than 7 in floating point
    assert DenseTransition(10, 1.0)(torch.randn(1, 10, 5, 4)).shape == (1, 10, 2, 2)


@pytest.mark.parametrize("train", [True, False])
def test_computing_again_changes_nothing_but_the_memory(train):
    """Outputs, gradients, and running statistics, which the second pass must not update again."""
    runs = [
        run(block, [seeded_randn(2, 6, 5, 4)], block)
        for block in (
            randomise(DenseBlock(6, 3, 4, memory_efficient=again)).double().train(train) for again in (False, True)
        )
    ]
    plain, again = runs
    assert torch.equal(plain.outputs[0], again.outputs[0])
    torch.testing.assert_close(again.input_grads, plain.input_grads, rtol=1e-12, atol=1e-12)
    for name, grad in plain.parameter_grads.items():
        torch.testing.assert_close(again.parameter_grads[name], grad, rtol=1e-12, atol=1e-12)
    for name, buffer in plain.buffers.items():
        assert torch.equal(again.buffers[name], buffer), name


def test_computing_again_as_often_as_it_is_asked():
    """Backward twice over one graph, a second derivative, and under torch.func, which has no checkpoints."""
    plain, again = (randomise(DenseBlock(6, 2, 4, memory_efficient=again)).double() for again in (False, True))
    x, found = seeded_randn(2, 6, 5, 4).requires_grad_(), []
    for block in (plain, again):
        y = block(x).square().sum()
        once, twice = (torch.autograd.grad(y, x, retain_graph=True)[0] for _ in range(2))
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        (second,) = torch.autograd.grad(g.square().sum(), x)
        buffers = {name: buffer.clone() for name, buffer in block.named_buffers()}
        mapped = torch.func.grad(lambda x, block=block: block.eval()(x).square().sum())(x.detach())
        found.append((once, twice, second, mapped, buffers))
    torch.testing.assert_close(*found)


def test_memory_grows_with_the_layers_and_not_with_their_square():
    def needed(layers, again):
        block = DenseBlock(16, layers, growth_rate=16, bn_size=1, memory_efficient=again)
        return peak(block, (2, 16, 16, 16))

    assert needed(24, True) < 0.5 * needed(24, False)
    first, second = (needed(2 * n, True) - needed(n, True) for n in (6, 12))
    assert second < 2.5 * first


def test_both_names_of_the_module_hold_the_same():
    from groundup.models import blocks

    assert all(getattr(blocks, name) is getattr(convolutional_blocks, name) for name in convolutional_blocks.__all__)
    assert set(blocks.__all__) == {*convolutional_blocks.__all__, "ConvReLU"}
