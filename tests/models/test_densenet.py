"""DenseNet: numbers, shapes, memory, and parity with torchvision at the full architecture."""

import pytest
import torch
import torchvision

from groundup import backend
from groundup.models.residual_networks import DenseNet, DenseNet121
from groundup.tools.inspect import summary
from groundup.weights.residual import DENSENET
from peak import peak
from shape_column import check_shape_column
from vision_parity import assert_equal_networks


@pytest.mark.parametrize(
    ("preset", "parameters", "multiply_adds"),
    [
        ("densenet121", 7_978_856, 2.834),
        ("densenet169", 14_149_480, 3.360),
        ("densenet201", 20_013_928, 4.291),
        ("densenet161", 28_681_000, 7.728),
    ],
)
def test_numbers(preset, parameters, multiply_adds):
    report = summary(DenseNet.preset(preset, device="meta"), (3, 224, 224))
    assert report.parameters == parameters
    assert round(report.multiply_adds / 1e9, 3) == multiply_adds


def test_the_shape_column_is_true():
    check_shape_column(DenseNet(), (3, 224, 224))


@pytest.mark.parametrize("options", [{}, {"memory_efficient": True}], ids=["", "memory_efficient"])
def test_parity_at_full_size(options):
    assert_equal_networks(
        DenseNet121(dtype=torch.float64, **options), torchvision.models.densenet121, DENSENET, size=(65, 64)
    )


def test_parity_of_a_wider_one():
    ours = DenseNet.preset("densenet161", block_config=(2, 1, 1, 1), dtype=torch.float64)
    assert ours.stem.conv.out_channels == 96
    assert_equal_networks(
        ours, lambda: torchvision.models.DenseNet(48, (2, 1, 1, 1), num_init_features=96), DENSENET, size=(64, 64)
    )


@pytest.mark.parametrize(("stem", "size"), [("imagenet", 29), ("half", 15), ("cifar", 8)])
def test_the_smallest_image(stem, size):
    model = DenseNet121(growth_rate=4, stem=stem).eval()
    assert model.min_size == size
    assert model(torch.randn(2, 3, size, size)).shape == (2, 1000)
    with pytest.raises(ValueError, match=f"at least {size}"):
        model(torch.randn(2, 3, size - 1, size))


def test_small_images_and_three_blocks():
    """Section 3, CIFAR: three blocks of equal length."""
    model = DenseNet(10, growth_rate=4, block_config=(2, 2, 2, 0), stem="cifar").eval()
    maps = model.forward_intermediates(torch.randn(2, 3, 32, 32))
    sizes = [tuple(m.shape[1:]) for name, m in maps.items() if name.startswith("block")]
    assert sizes == [(16, 32, 32), (16, 16, 16), (16, 8, 8), (16, 8, 8)]
    assert model.min_size == 4
    assert model(torch.randn(2, 3, 4, 4)).shape == (2, 10)


def test_features_as_a_user_takes_them():
    model = DenseNet121(num_classes=7, growth_rate=4).eval()
    x = torch.randn(2, 3, 64, 64)
    features = model.forward_features(x)
    assert (features >= 0).all()  # the last norm and its relu belong to the features
    torch.testing.assert_close(model.forward_head(features), model(x))
    assert model.forward_head(features, pre_logits=True).shape == (2, model.head.in_features)
    model.reset_classifier(5)
    assert model(x).shape == (2, 5)


def test_dropout_in_training_alone():
    model = DenseNet121(growth_rate=4, block_config=(2, 2, 2, 2), dropout=0.5)
    x = torch.randn(2, 3, 64, 64)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("again", [False, True])
def test_memory_is_no_more_than_torchvisions(again):
    """In a training step, `memory_efficient` or not; a copy of the images with channels last is allowed."""

    def needed(build):
        model = build(memory_efficient=again)

        def step(x):
            return torch.autograd.grad(model(x).sum(), list(model.parameters()))[0]

        with backend("auto"):  # a matter of the kernels
            return peak(step, (2, 3, 96, 96), backward=False)

    ours, theirs = needed(DenseNet121), needed(torchvision.models.densenet121)
    assert ours <= theirs + 4 * 2 * 3 * 96 * 96


def test_computing_again_halves_the_memory():
    def needed(again):
        model = DenseNet121(memory_efficient=again)

        def step(x):
            return torch.autograd.grad(model(x).sum(), [model.stem.conv.weight])[0]

        with backend("auto"):  # a matter of the kernels
            return peak(step, (2, 3, 96, 96), backward=False)

    assert needed(True) < 0.5 * needed(False)


def test_computing_again_compiles(untyped):
    """Gradients and running statistics equal those of the plain network; the graph keeps less."""
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    grads, buffers, kept = [], [], []
    for again in (False, True):
        torch.manual_seed(0)
        model = DenseNet121(growth_rate=4, block_config=(4, 2, 0, 0), memory_efficient=again, dtype=torch.float64)
        with backend("auto"):
            y = torch.compile(model, fullgraph=True, backend="aot_eager")(x)
            kept.append(sum(t.nbytes for t in y.grad_fn.saved_tensors))
            grads.append(torch.autograd.grad(y.square().sum(), list(model.parameters())))
        buffers.append(list(model.buffers()))
    torch.testing.assert_close(*grads)
    torch.testing.assert_close(*buffers)
    assert kept[1] < 0.8 * kept[0]


def test_computing_again_is_left_out_of_an_exported_program(untyped):
    model, x = (
        DenseNet121(growth_rate=4, block_config=(2, 1, 0, 0), memory_efficient=True).eval(),
        torch.randn(2, 3, 32, 32),
    )
    for strict in (False, True):
        torch.testing.assert_close(torch.export.export(model, (x,), strict=strict).module()(x), model(x))
