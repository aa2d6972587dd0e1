"""The convolutional networks in numbers: parameters, multiply-adds, maps, smallest images, first weights."""

import re
from pathlib import Path

import pytest
import torch

from groundup.layers import Conv2d, Linear
from groundup.models import convolutional_networks as M
from groundup.models.convolutional_networks import nin
from groundup.tools.inspect import capture, summary
from shape_column import check_shape_column

IMAGENET = (3, 224, 224)

# model, preset, other arguments: image, parameters, multiply-adds
FIGURES = [
    ("SimpleCNN", "cifar10", {}, (3, 32, 32), 62_006, 651_720),
    ("SimpleCNN", "mnist", {}, (1, 32, 32), 61_706, 416_520),
    ("SimpleFullyCNN", "cifar10", {}, (3, 32, 32), 62_006, 651_720),
    ("AlexNet", "paper", {}, (3, 227, 227), 60_965_224, 724_406_816),
    ("AlexNet", "single_tower", {}, (3, 227, 227), 62_378_344, 1_135_256_096),
    ("AlexNet", "torchvision", {}, IMAGENET, 61_100_840, 714_188_480),
    ("NetworkInNetwork", "cifar10", {}, (3, 32, 32), 966_986, 222_486_528),
    ("NetworkInNetwork", "imagenet", {}, IMAGENET, 7_595_176, 1_100_188_800),
    ("VGG16", "vgg16", {}, IMAGENET, 138_357_544, 15_470_264_320),
    ("VGG16", "vgg16_bn", {}, IMAGENET, 138_365_992, 15_470_264_320),
    ("VGG", "vgg11", {}, IMAGENET, 132_863_336, 7_609_090_048),
    ("VGG", "vgg11_lrn", {}, IMAGENET, 132_863_336, 7_609_090_048),
    ("VGG", "vgg13", {}, IMAGENET, 133_047_848, 11_308_466_176),
    ("VGG", "vgg16_c", {}, IMAGENET, 133_638_952, 11_770_888_192),
    ("VGG", "vgg19", {}, IMAGENET, 143_667_240, 19_632_062_464),
    ("VGG", "vgg11_bn", {}, IMAGENET, 132_868_840, 7_609_090_048),
    ("VGG", "vgg13_bn", {}, IMAGENET, 133_053_736, 11_308_466_176),
    ("VGG", "vgg19_bn", {}, IMAGENET, 143_678_248, 19_632_062_464),
    ("GoogLeNet", "paper", {}, IMAGENET, 13_378_280, 1_582_671_872),
    ("GoogLeNet", "paper", {"aux_logits": False}, IMAGENET, 6_998_552, 1_582_671_872),
    ("GoogLeNet", "torchvision", {}, IMAGENET, 13_004_888, 1_498_376_192),
    ("GoogLeNet", "torchvision_weights", {}, IMAGENET, 6_624_904, 1_498_376_192),
    ("DeepPlainCNN", "plain34", {}, IMAGENET, 21_623_848, 3_644_493_824),
    ("DeepPlainCNN", "plain18", {}, IMAGENET, 11_515_688, 1_794_805_760),
]


@pytest.mark.parametrize(
    ("model", "preset", "changes", "size", "parameters", "multiply_adds"), FIGURES, ids=lambda value: str(value)
)
def test_parameters_and_multiply_adds(model, preset, changes, size, parameters, multiply_adds):
    report = summary(getattr(M, model).preset(preset, **changes, device="meta"), size)
    assert (report.parameters, report.multiply_adds) == (parameters, multiply_adds)


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (M.SimpleCNN, (3, 32, 32)),
        (M.SimpleFullyCNN, (3, 32, 32)),
        (M.AlexNet, (3, 227, 227)),
        (M.VGG, IMAGENET),
        (M.GoogLeNet, IMAGENET),
        (M.DeepPlainCNN, IMAGENET),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_shape_column_is_true(model, size):
    with torch.device("meta"):
        check_shape_column(model(), size)


def test_the_shape_column_of_network_in_network():
    """The comments are in the tables of the two networks."""
    source = Path(nin.__file__).read_text(encoding="utf-8")
    stated = [tuple(map(int, found.split(","))) for found in re.findall(r"Perceptron\(\(.*# +-> ([\d, ]+)", source)]
    given = []
    for preset, size in (("cifar10", (3, 32, 32)), ("imagenet", IMAGENET)):
        model = M.NetworkInNetwork.preset(preset, device="meta").eval()
        maps = model.forward_intermediates(torch.empty(1, *size, device="meta"))
        given += [tuple(feature_map.shape[1:]) for feature_map in maps.values()]
    assert stated == given
    assert len(given) == 7


@pytest.mark.parametrize(
    "build",
    [
        M.SimpleFullyCNN,
        lambda: M.AlexNet(channels=(4, 4, 4, 4, 4), hidden=4),
        lambda: M.AlexNet.preset("torchvision", channels=(4, 4, 4, 4, 4), hidden=4),
        M.NetworkInNetwork,
        lambda: M.NetworkInNetwork.preset("imagenet"),
        lambda: M.VGG(width=2, hidden=4),
        lambda: M.GoogLeNet(width=8),
        lambda: M.GoogLeNet(width=8, variant="torchvision"),
        lambda: M.DeepPlainCNN(width=2, depths=(1, 1, 1, 1), variant="paper"),
    ],
)
@pytest.mark.usefixtures("untyped")
def test_the_smallest_image_is_the_smallest(build):
    """With one pixel less some layer has no input; the model says so before that layer does."""
    with torch.device("meta"):
        model = build().eval()
        size = model.min_size
        assert model(torch.empty(1, 3, size, size)).size(0) == 1
        with pytest.raises(ValueError, match=f"x must be at least {size} × {size} pixels"):
            model(torch.empty(1, 3, size - 1, size))
        model.min_size = 1
        with pytest.raises(ValueError, match="use a larger image"):
            model(torch.empty(1, 3, size - 1, size - 1))


def test_any_image_size():
    with torch.device("meta"):
        for model, size in ((M.AlexNet(), 224), (M.VGG16(), 97), (M.GoogLeNet(), 300), (M.NetworkInNetwork(), 50)):
            assert model.eval()(torch.empty(2, 3, size, size + 9)).shape == (2, model.num_classes)


def test_adaptive_averaging_leaves_the_papers_maps_alone():
    from groundup.functional import adaptive_avg_pool2d

    for size in (6, 7):
        x = torch.randn(2, 3, size, size)
        assert torch.equal(adaptive_avg_pool2d.fused(x, size), x)
        torch.testing.assert_close(adaptive_avg_pool2d.reference(x, size), x, rtol=0, atol=0)


# ---- mistakes of other implementations ---------------------------------------------------------------------------


def test_alexnets_fourth_convolution_is_384_wide():
    model = M.AlexNet(device="meta")
    shapes = [tuple(getattr(model, f"conv{i}").conv.weight.shape[:2]) for i in range(1, 6)]
    assert shapes == [(96, 3), (256, 48), (384, 256), (384, 192), (256, 192)]  # towers: half of the input each
    assert sum(p.numel() for p in model.parameters()) != 61_640_936


def test_alexnets_response_norm_has_the_papers_alpha():
    """PyTorch divides α by the five channels; the paper does not."""
    norm = M.AlexNet(channels=(8,) * 5, hidden=4).norm1
    a = torch.rand(1, 8, 2, 2, dtype=torch.float64) * 50
    padded = torch.cat([a.new_zeros(1, 2, 2, 2), a, a.new_zeros(1, 2, 2, 2)], 1)
    total = sum(padded[:, i : i + 8] ** 2 for i in range(5))
    torch.testing.assert_close(norm(a), a / (2 + 1e-4 * total) ** 0.75)


@pytest.mark.parametrize(
    ("preset", "dropped"), [("paper", {"fc7": True, "fc8": True}), ("torchvision", {"fc7": True, "fc8": False})]
)
def test_where_alexnet_drops(preset, dropped):
    """The paper drops FC6's and FC7's results, torchvision their inputs: only the paper's FC8 receives zeros."""
    model = M.AlexNet.preset(preset, channels=(4,) * 5, hidden=400, num_classes=3, initial="layers").train()
    for layer in (model.fc6, model.fc7):  # give ones, of which a ReLU makes no zeros
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.ones_(layer.bias)
    seen = {}
    for name in ("fc6", "fc7", "fc8"):
        getattr(model, name).register_forward_pre_hook(lambda m, x, name=name: seen.update({name: x[0]}))
    model(torch.rand(1, 3, 70, 70))
    for name, wanted in dropped.items():
        assert bool((seen[name] == 0).any()) == wanted, name


@pytest.mark.parametrize("classes", [7, 10])
def test_the_slid_network_is_the_network_on_every_window(classes):
    """A 64 × 64 image gives 9 × 9 scores, of windows four pixels apart; on 32 × 32, the same scores."""
    cnn = M.SimpleCNN(classes).double()
    slid = M.SimpleFullyCNN.slide(cnn)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    scores = slid(x)
    assert scores.shape == (2, classes, 9, 9)
    for p, q in ((0, 0), (3, 5), (8, 8)):
        torch.testing.assert_close(scores[:, :, p, q], cnn(x[:, :, 4 * p : 4 * p + 32, 4 * q : 4 * q + 32]))
    torch.testing.assert_close(slid(x[..., :32, :32])[..., 0, 0], cnn(x[..., :32, :32]))
    slid.fc1.weight.data.zero_()
    assert cnn.fc1.weight.any()  # a copy


def test_plain_networks_have_no_dead_biases():
    model = M.DeepPlainCNN(device="meta")
    convolutions = [part for part in model.modules() if isinstance(part, Conv2d)]
    assert len(convolutions) == 33
    assert all(part.bias is None for part in convolutions)
    assert sum(isinstance(part, Linear) for part in model.modules()) == 1


def test_vggs_dropout_follows_its_linear_layers():
    model = M.VGG(width=2, hidden=400, num_classes=3).train()
    for layer in (model.fc6, model.fc7):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.ones_(layer.bias)
    seen = {}
    for name in ("fc6", "fc7", "fc8"):
        getattr(model, name).register_forward_pre_hook(lambda m, x, name=name: seen.update({name: x[0]}))
    model(torch.rand(1, 3, 32, 32))
    assert (seen["fc7"] == 0).any()
    assert (seen["fc8"] == 0).any()


def test_network_in_network_averages_maps_without_parameters():
    model = M.NetworkInNetwork(device="meta")
    assert not any(isinstance(part, Linear) for part in model.modules())
    assert model.head.weight.shape == (10, 192, 1, 1)
    drawn = M.NetworkInNetwork(perceptrons=(nin.Perceptron((8, 4), 3, pool="max", drops=True),)).train()
    with capture(drawn, "mlpconv1") as seen:
        drawn(torch.rand(4, 3, 16, 16))
    assert (seen["mlpconv1"][0] == 0).double().mean() > 0.3


# ---- GoogLeNet's three classifiers -------------------------------------------------------------------------------


def small(**options):
    return M.GoogLeNet(num_classes=5, width=8, variant="torchvision", dropout=0.0, dropout_aux=0.0, **options)


def test_googlenet_gives_three_scores_while_training_and_one_afterwards():
    x = torch.randn(2, 3, 48, 48)
    outputs = small()(x)
    assert type(outputs).__name__ == "GoogLeNetOutputs"
    assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
    assert [tuple(scores.shape) for scores in outputs] == [(2, 5)] * 3
    assert small().eval()(x).shape == (2, 5)
    assert small(aux_logits=False)(x).shape == (2, 5)
    model = small()
    with capture(model, "*") as seen:  # a named tuple stays one
        model(x)
    assert type(seen[""][0]).__name__ == "GoogLeNetOutputs"


def test_the_auxiliary_loss_counts_three_tenths():
    from groundup.functional import auxiliary_cross_entropy

    outputs, target = small()(torch.randn(3, 3, 48, 48)), torch.tensor([0, 4, 2])
    for options in ({}, {"reduction": "sum"}, {"label_smoothing": 0.1}):
        losses = [torch.nn.functional.cross_entropy(scores, target, **options) for scores in outputs]
        expected = losses[0] + 0.3 * (losses[1] + losses[2])
        torch.testing.assert_close(auxiliary_cross_entropy(outputs, target, **options), expected)
    alone = auxiliary_cross_entropy(outputs.logits, target, weight=9.0)
    torch.testing.assert_close(alone, torch.nn.functional.cross_entropy(outputs.logits, target))


def test_other_classes_for_all_three():
    model = small()
    model.reset_classifier(3)
    assert [tuple(scores.shape) for scores in model(torch.randn(2, 3, 48, 48))] == [(2, 3)] * 3
    assert model.num_classes == 3


def test_googlenets_modules_cost_what_table_1_says():
    """In millions: 128 304 73 88 100 119 170 54 71 in the paper, where 4a is rounded down and 5a is 51."""
    parts = {part.name: part for part in summary(M.GoogLeNet(device="meta"), IMAGENET).parts}
    modules = [parts[f"inception{name}"] for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    assert [round(part.multiply_adds / 1e6) for part in modules] == [128, 304, 74, 88, 100, 119, 170, 51, 71]
    sizes = [163_696, 388_736, 376_176, 449_160, 510_104, 605_376, 868_352, 1_043_456, 1_444_080]
    assert [part.parameters for part in modules] == sizes


# ---- first weights -----------------------------------------------------------------------------------------------


def test_alexnet_is_initialised_as_in_section_5():
    model = M.AlexNet(channels=(16, 32, 32, 32, 16), hidden=64, num_classes=50)
    layers = [model.conv1, model.conv2, model.conv3, model.conv4, model.conv5]
    layers = [layer.conv for layer in layers] + [model.fc6, model.fc7, model.fc8]
    biases = [float(layer.bias.detach().mean()) for layer in layers]
    assert biases == [0, 1, 0, 1, 1, 1, 1, 0]
    assert abs(float(model.fc6.weight.detach().std()) - 0.01) < 3e-4


@pytest.mark.parametrize(
    ("model", "layer", "std"),
    [
        (lambda: M.VGG(width=16, hidden=64), "stage4.1.conv", (2 / (9 * 128)) ** 0.5),
        (lambda: M.VGG(width=16, hidden=64), "fc6", 0.01),
        (lambda: M.NetworkInNetwork(), "mlpconv2.0.conv", (2 / (25 * 96)) ** 0.5),
        (lambda: M.DeepPlainCNN(width=16, depths=(1, 1, 1, 1)), "layer4.0.conv", (2 / (9 * 128)) ** 0.5),
        (lambda: M.GoogLeNet(width=16), "inception5b.branch2.1.conv", (1 / (9 * 48)) ** 0.5),
        (lambda: M.GoogLeNet(width=16, variant="torchvision"), "inception5b.branch2.1.conv", 0.01),
    ],
)
def test_weights_are_initialised_as_stated(model, layer, std):
    """And `reset_parameters` draws new ones."""
    model = model()
    weight = model.get_submodule(layer).weight.detach()
    for _ in range(2):
        assert abs(float(weight.std()) / std - 1) < 0.06
        before = weight.clone()
        model.reset_parameters()
        assert not torch.equal(weight, before)


def test_a_signal_gets_through_at_first():
    """Every parameter has a gradient in the first step."""
    for model, size in (
        (M.AlexNet(channels=(8,) * 5, hidden=32, initial="layers"), 80),
        (M.NetworkInNetwork(dropout=0.0), 32),
        (M.VGG(width=8, hidden=32), 64),
        (M.GoogLeNet(width=32, dropout=0.0, dropout_aux=0.0), 96),
        (M.DeepPlainCNN(width=8, depths=(1, 1, 1, 1)), 64),
    ):
        outputs = model(torch.randn(4, 3, size, size))
        total = sum(o.square().sum() for o in outputs) if isinstance(outputs, tuple) else outputs.square().sum()
        total.backward()
        dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert not dead, f"{type(model).__name__}: {dead}"


def test_every_class_of_a_network_in_network_has_a_gradient_at_first():
    """Its scores are rectified: what is 0 everywhere has no gradient, and stays 0."""
    for _ in range(5):
        model = M.NetworkInNetwork().eval()
        x = torch.randn(8, 3, 32, 32)
        assert (model(x) > 0).all()
        model.reset_classifier(20)
        assert (model(x) > 0).all()


# ---- the base class ----------------------------------------------------------------------------------------------


def test_features_by_name_and_a_new_head():
    for model, x in (
        (M.VGG(width=2, hidden=8), torch.randn(2, 3, 64, 64)),
        (M.SimpleCNN(), torch.randn(2, 3, 32, 32)),
        (M.AlexNet(channels=(4,) * 5, hidden=8), torch.randn(2, 3, 70, 70)),
        (M.NetworkInNetwork(dropout=0.0), torch.randn(2, 3, 16, 16)),
        (M.DeepPlainCNN(width=2, depths=(1, 1, 1, 1)), torch.randn(2, 3, 64, 64)),
    ):
        model.eval()
        maps = model.forward_intermediates(x)
        assert tuple(maps) == model.stages
        torch.testing.assert_close(maps[model.stages[-1]], model.forward_features(x))
        vector = model.forward_head(model.forward_features(x), pre_logits=True)
        assert vector.dim() == 2
        model.reset_classifier(4)
        assert not any(part.training for part in model.modules())
        assert model(x).shape == (2, 4)


def test_stages_are_the_children_that_run():
    assert M.SimpleCNN().stages == ("conv1", "pool1", "conv2", "pool2")
    assert M.LeNet5().stages == ("c1", "s2", "c3", "s4", "c5")
    narrow = {"channels": (4,) * 5, "hidden": 8}
    assert M.AlexNet(**narrow).stages[:3] == ("conv1", "norm1", "pool1")
    assert M.AlexNet(**narrow, response_norm=False).stages[:3] == ("conv1", "pool1", "conv2")
    model = M.GoogLeNet(width=8).train()
    assert (model.stages[0], model.stages[-1]) == ("conv1", "inception5b")
    assert model.training


def test_nothing_runs_after_the_last_stage_that_is_wanted():
    model, x = M.VGG(width=2, hidden=8).eval(), torch.randn(1, 3, 32, 32)
    ran = []
    for name in model.stages:
        getattr(model, name).register_forward_hook(lambda m, i, o, name=name: ran.append(name))
    assert list(model.forward_intermediates(x, "stage3", "stage2", "stage3")) == ["stage2", "stage3"]
    assert ran == ["stage1", "stage2", "stage3"]
    for name in ("stage9", "fc6"):
        with pytest.raises(ValueError, match=f"has no stage '{name}'; it has stage1, stage2, stage3, stage4, stage5$"):
            model.forward_intermediates(x, name)
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_what_is_captured_is_what_a_layer_returned():
    """The ReLU after a convolution works in place; the record is a copy of the convolution's output."""
    model = M.SimpleCNN()
    with capture(model, "conv1.conv", "conv1") as seen:
        model(torch.randn(2, 3, 32, 32))
    assert (seen["conv1.conv"][0] < 0).any()
    torch.testing.assert_close(seen["conv1.conv"][0].clamp(min=0), seen["conv1"][0])
