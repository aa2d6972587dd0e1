"""ResNet and its relatives: numbers, shapes, and parity with torchvision and timm at the full architecture."""

from math import sqrt

import pytest
import timm
import torch
import torchvision

from groundup.models.residual_networks import (
    DenseNet121,
    ResNet,
    ResNet34,
    ResNet50,
    ResNeXt50,
    SEResNet50,
    SEResNeXt50,
)
from groundup.tools.inspect import summary
from groundup.weights import to_ours, to_theirs
from groundup.weights.residual import LEGACY_SENET, RESNET
from rows.oracles.residual import caffe, randomise_norms
from shape_column import check_shape_column
from vision_parity import assert_equal_networks

COMPONENTS = (ResNet34, ResNet50, ResNeXt50, SEResNet50, SEResNeXt50)


def on_meta(model, **changes):
    return model(device="meta", **changes)


@pytest.mark.parametrize(
    ("preset", "parameters", "multiply_adds"),
    [
        ("resnet18", 11_689_512, 1.814),
        ("resnet34", 21_797_672, 3.664),
        ("resnet50", 25_557_032, 4.089),
        ("resnet101", 44_549_160, 7.801),
        ("resnet152", 60_192_808, 11.514),
        ("resnext50_32x4d", 25_028_904, 4.230),  # 3.768 with the stride in the 1 × 1
        ("resnext101_32x8d", 88_791_336, 16.414),
        ("resnext101_64x4d", 83_455_272, 15.460),
        ("wide_resnet50_2", 68_883_240, 11.398),
        ("wide_resnet101_2", 126_886_696, 22.753),
        ("seresnet50", 28_088_024, 4.092),
        ("seresnext50_32x4d", 27_559_896, 4.233),
        ("legacy_seresnet50", 28_088_024, 3.860),
        ("legacy_seresnext50_32x4d", 27_559_896, 4.233),
    ],
)
def test_numbers(preset, parameters, multiply_adds):
    report = summary(ResNet.preset(preset, device="meta"), (3, 224, 224))
    assert report.parameters == parameters
    assert round(report.multiply_adds / 1e9, 3) == multiply_adds


def test_numbers_of_the_papers_forms():
    """Table 1: 3.6 and 3.8 · 10⁹; the pool changes nothing, the stride on the first 1 × 1 does."""
    for model, figure in ((ResNet34, 3.664), (ResNet50, 3.858)):
        report = summary(model.preset("paper", device="meta"), (3, 224, 224))
        assert round(report.multiply_adds / 1e9, 3) == figure
        assert report.parameters == summary(on_meta(model), (3, 224, 224)).parameters


def test_numbers_of_the_cifar_networks():
    """Table 6: 0.27, 0.85 and 1.7 million; 2,752 more than 269,722 for the two projections."""
    for preset, millions in (("resnet20", 0.27), ("resnet56", 0.86), ("resnet110", 1.73)):
        model = ResNet.preset(preset, device="meta")
        report = summary(model, (3, 32, 32))
        assert report.parameters / 1e6 == pytest.approx(millions, abs=0.005)
        assert [part.output for part in report.parts[:4]] == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert summary(ResNet.preset("resnet20", device="meta"), (3, 32, 32)).parameters == 269_722 + 2_752


def test_gates():
    """2 C² / r weights per gate, 2,514,944 in all, and the biases, which the paper recommends to leave out."""

    def count(model, **options):
        return sum(p.numel() for p in on_meta(model, **options).parameters())

    assert count(SEResNet50, se_bias=False) == 28_071_976 == count(ResNet50) + 2_514_944
    assert count(SEResNeXt50, se_bias=False) == 27_543_848 == count(ResNeXt50) + 2_514_944
    assert count(SEResNet50) == 28_088_024 == count(ResNet50) + 2_514_944 + 16_048


def test_the_shape_column_is_true():
    check_shape_column(ResNet(), (3, 224, 224))


@pytest.mark.parametrize("model", COMPONENTS[1:])
def test_stages_of_bottlenecks(model):
    report = summary(on_meta(model), (3, 224, 224))
    sizes = [(64, 56, 56), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7), (1000,)]
    assert [part.output for part in report.parts] == sizes


@pytest.mark.parametrize("model", [ResNet, *COMPONENTS, DenseNet121])
def test_the_first_preset_is_the_default(model):
    first = next(iter(model.presets))
    expected = {name: value.shape for name, value in model.preset(first, device="meta").state_dict().items()}
    assert {name: value.shape for name, value in on_meta(model).state_dict().items()} == expected
    if model in COMPONENTS:  # each is a row of ResNet's table
        assert {n: v.shape for n, v in ResNet.preset(first, device="meta").state_dict().items()} == expected


def theirs(name):
    if hasattr(torchvision.models, name):
        return getattr(torchvision.models, name)()
    return timm.create_model(name, drop_rate=0.0)  # the legacy ones drop a fifth by default


PARITY = [
    (ResNet34, "resnet34", lambda: theirs("resnet34"), RESNET),
    (ResNet34, "paper", lambda: caffe(theirs("resnet34")), RESNET),
    (ResNet50, "resnet50", lambda: theirs("resnet50"), RESNET),
    (ResNet50, "paper", lambda: caffe(theirs("resnet50")), RESNET),
    (ResNeXt50, "resnext50_32x4d", lambda: theirs("resnext50_32x4d"), RESNET),
    (SEResNet50, "seresnet50", lambda: theirs("seresnet50"), RESNET),
    (SEResNet50, "legacy_seresnet50", lambda: theirs("legacy_seresnet50"), LEGACY_SENET),
    (SEResNeXt50, "seresnext50_32x4d", lambda: theirs("seresnext50_32x4d"), RESNET),
    (SEResNeXt50, "legacy_seresnext50_32x4d", lambda: theirs("legacy_seresnext50_32x4d"), LEGACY_SENET),
    (ResNet, "wide_resnet50_2", lambda: theirs("wide_resnet50_2"), RESNET),
]


#: A bottleneck as torchvision has it, and all that the others add to it: groups, gates, the paper's strides.
SOON = {(ResNet50, "resnet50"), (SEResNeXt50, "legacy_seresnext50_32x4d")}


@pytest.mark.parametrize(
    ("model", "preset", "oracle", "table"),
    [pytest.param(*row, marks=[] if row[:2] in SOON else [pytest.mark.slow]) for row in PARITY],
    ids=[row[1] + row[0].__name__ for row in PARITY],
)
def test_parity_at_full_size(model, preset, oracle, table):
    """Scores, all gradients and buffers, training and not, in float64; weights carried over, and back, strictly."""
    assert_equal_networks(model.preset(preset, dtype=torch.float64), oracle, table)


def test_the_papers_resnet50_is_the_gated_one_without_its_gates():
    """An oracle that was not patched: timm's port of the authors' network in Caffe."""
    oracle = randomise_norms(theirs("legacy_seresnet50").double())
    for block in (block for name in ("layer1", "layer2", "layer3", "layer4") for block in getattr(oracle, name)):
        block.se_module = torch.nn.Identity()
    ours = ResNet50.preset("paper", dtype=torch.float64)
    ours.load_state_dict(to_ours(LEGACY_SENET, oracle.state_dict(), ours.state_dict()))
    x = torch.randn(2, 3, 65, 64, dtype=torch.float64)
    torch.testing.assert_close(ours.eval()(x), oracle.eval()(x), rtol=0, atol=1e-10)


def test_the_variants_differ_and_share_their_weights():
    """The same state_dict fits both without an error."""
    shipped, paper = ResNet50(width=8), ResNet50(width=8, variant="paper")
    paper.load_state_dict(shipped.state_dict())
    x = torch.randn(2, 3, 64, 64)
    assert (shipped.eval()(x) - paper.eval()(x)).abs().max() > 1e-3


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (33, 50)])
def test_any_size(size):
    model = ResNet(depths=(1, 1, 1, 1), width=4).eval()
    assert model(torch.randn(2, 3, *size)).shape == (2, 1000)
    if min(size) >= 3:
        assert ResNet(depths=(1, 1, 1, 1), width=4, variant="paper").eval()(torch.randn(2, 3, *size)).shape == (2, 1000)


@pytest.mark.parametrize(("stem", "size"), [("cifar", 32), ("half", 16)])
def test_stems_of_small_images(stem, size):
    model = ResNet.preset("resnet18", stem=stem, num_classes=10, width=8).eval()
    maps = model.forward_intermediates(torch.randn(2, 3, 32, 32))
    sizes = [(8, size), (8, size), (16, size // 2), (32, size // 4), (64, size // 8)]
    assert [tuple(m.shape[1:]) for m in maps.values()] == [(channels, n, n) for channels, n in sizes]


def test_the_halving_stem_takes_every_second_place():
    """It gives rows and columns 0, 2, 4, ... of the stem that keeps the size, for odd sizes too."""
    whole, half = (ResNet(depths=(1, 0, 0, 0), width=4, stem=stem).eval() for stem in ("cifar", "half"))
    half.load_state_dict(whole.state_dict())
    x = torch.randn(2, 3, 9, 12)
    torch.testing.assert_close(half.stem(x), whole.stem(x)[:, :, ::2, ::2])


def test_features_as_a_user_takes_them():
    model = ResNet34(num_classes=7, width=4).eval()
    x = torch.randn(2, 3, 64, 64)
    features = model.forward_features(x)
    assert features.shape == (2, 32, 2, 2)
    vector = model.forward_head(features, pre_logits=True)
    torch.testing.assert_close(vector, features.flatten(2).mean(2))
    torch.testing.assert_close(model.forward_head(features), model(x))
    torch.testing.assert_close(model.head(vector), model(x))
    found = model.forward_intermediates(x, "layer3", "stem")
    assert list(found) == ["stem", "layer3"]
    torch.testing.assert_close(found["layer3"], model.layer3(model.layer2(model.layer1(model.stem(x)))))
    model.reset_classifier(5)
    assert not model.head.training  # as the rest of the model
    assert model(x).shape == (2, 5)


def test_initial_weights():
    model = ResNet50(zero_init_residual=True)
    assert model.stem.conv.weight.std().item() == pytest.approx(sqrt(2 / (64 * 49)), rel=0.05)
    blocks = [block for name in model.stages[1:] for block in getattr(model, name)]
    assert len(blocks) == 16
    assert all((block.bn3.weight == 0).all() and (block.bn2.weight == 1).all() for block in blocks)
    assert all((block.bn3.weight == 1).all() for block in ResNet50().layer1)


def test_every_parameter_learns():
    model = SEResNeXt50(width=16, groups=2, depths=(1, 2, 1, 1))
    model(torch.randn(4, 3, 64, 64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_export_of_what_is_missing_is_refused():
    state = ResNet34(width=4).state_dict()
    del state["layer1.0.bn1.weight"]
    assert "layer1.0.bn1.weight" not in to_theirs(RESNET, state)
    with pytest.raises(ValueError, match=r"nothing in the file fills layer1\.0\.bn1\.weight"):
        to_ours(RESNET, to_theirs(RESNET, state), ResNet34(width=4).state_dict())


def test_images_of_another_precision_are_named():
    model = ResNet34(width=4)
    with pytest.raises(TypeError, match=r"x must have the type of the weights of ResNet34, torch\.float32, got"):
        model(torch.randn(2, 3, 40, 40, dtype=torch.float64))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(torch.randn(2, 3, 40, 40, dtype=torch.bfloat16)).shape == (2, 1000)
    mixed = ResNet34(width=4)
    mixed.stem.double()
    mixed.check_images(torch.randn(2, 3, 40, 40))  # the type of later weights


@pytest.mark.parametrize("channels", [1, 3])
def test_mapped_over_images(channels):
    """`torch.func.vmap` supports one layout only."""
    model = ResNet34(width=4, depths=(1, 1, 0, 0), num_classes=3, in_channels=channels).eval()
    x = torch.randn(3, 2, channels, 9, 8)
    torch.testing.assert_close(torch.func.vmap(model)(x), torch.stack([model(images) for images in x]))
    jacobian = torch.func.jacfwd(model)(x[0])
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(model, x[0]))


@pytest.mark.body("auto")
@pytest.mark.usefixtures("untyped")
def test_compiled_it_keeps_channels_last():
    """Dynamo always reports an interpreter of torch.func, so that the layout must not depend on it while compiling."""
    model = ResNet.preset("resnet18", stem="cifar").eval()
    torch._dynamo.reset()
    seen = torch.compile(model.forward_features, backend="eager", fullgraph=True)(torch.randn(2, 3, 32, 32))
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert not seen.is_contiguous()
