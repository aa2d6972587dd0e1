"""torchvision's AlexNet, VGG and GoogLeNet through their weight tables: equal scores and gradients, there and back."""

import importlib
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from groundup.data.download import sha256
from groundup.models import convolutional_networks as M
from groundup.weights import registry
from groundup.weights.convolutional import ALEXNET, GOOGLENET, GOOGLENET_WEIGHTS, PUBLISHED, VGG
from groundup.weights.weight_map import WeightError, to_ours, to_theirs
from parity import randomise, run, seeded_randn
from rows.oracles.convolutional import lrn

googlenet_module = importlib.import_module("torchvision.models.googlenet")
VGGS = [f"vgg{depth}{suffix}" for depth in (11, 13, 16, 19) for suffix in ("", "_bn")]


def tame(module):
    """Random numbers in every tensor, of a size that deep networks neither drown nor blow up in; variances near 1."""
    randomise(module)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 9
            parameter.mul_((2 / fan_in) ** 0.5)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.add_(1)
    return module.double()


def narrow(build, features, hidden=64):
    """The oracle with fully connected layers of 64 instead of 4096 units: those would be most of the memory."""
    with torch.device("meta"):
        oracle = build()
        linear = [i for i, layer in enumerate(oracle.classifier) if isinstance(layer, nn.Linear)]
        for place, (fan_in, fan_out) in zip(linear, pairwise([features, hidden, hidden, 10])):
            oracle.classifier[place] = nn.Linear(fan_in, fan_out)
    oracle = oracle.to_empty(device="cpu")
    for name, buffer in oracle.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.zero_()
    return oracle


def their_vgg(name):
    """torchvision's VGG with an eighth of the channels; `test_every_published_file_fits_whole` has the full width."""
    depth, _, norm = name.removeprefix("vgg").partition("_")
    column = torchvision.models.vgg.cfgs[{"11": "A", "13": "B", "16": "D", "19": "E"}[depth]]
    layers = torchvision.models.vgg.make_layers([c if c == "M" else c // 8 for c in column], batch_norm=norm == "bn")
    return torchvision.models.VGG(layers, init_weights=False, dropout=0.0)


def check(ours, oracle, table, x):
    """Weights over; outputs, all gradients and buffers alike, training and not; and back, strictly."""
    ours = ours.double()
    ours.load_state_dict(to_ours(table, oracle.state_dict(), ours.state_dict()), strict=True)
    for train in (True, False):
        actual, expected = run(ours.train(train), [x], ours), run(oracle.train(train), [x], oracle)
        assert len(actual.outputs) == len(expected.outputs)
        gradients = to_theirs(table, {n: g for n, g in actual.parameter_grads.items() if g is not None})
        wanted = {n: g for n, g in expected.parameter_grads.items() if g is not None}
        assert gradients.keys() == wanted.keys()
        pairs = [*zip(actual.outputs, expected.outputs), *zip(actual.input_grads, expected.input_grads)]
        pairs += [(gradients[name], wanted[name]) for name in wanted]
        buffers = to_theirs(table, actual.buffers)
        assert buffers.keys() == expected.buffers.keys()
        pairs += [(buffers[name], expected.buffers[name]) for name in buffers]
        for a, b in pairs:
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * max(1.0, float(b.abs().max())))
    oracle.load_state_dict(to_theirs(table, ours.state_dict()), strict=True)


def test_alexnet():
    oracle = tame(narrow(lambda: torchvision.models.alexnet(dropout=0.0), 256 * 36))
    ours = M.AlexNet.preset("torchvision", num_classes=10, hidden=64, dropout=0.0)
    check(ours, oracle, ALEXNET, seeded_randn(2, 3, 80, 72))


@pytest.mark.parametrize("name", VGGS)
def test_vgg(name):
    oracle = tame(narrow(lambda: their_vgg(name), 64 * 49))
    ours = M.VGG.preset(name, width=8, num_classes=10, hidden=64, dropout=0.0)
    check(ours, oracle, VGG[name], seeded_randn(2, 3, 64, 32) if "bn" in name else seeded_randn(2, 3, 32, 37))


def their_googlenet(**options):
    return torchvision.models.googlenet(init_weights=False, dropout=0.0, dropout_aux=0.0, num_classes=10, **options)


def test_googlenet_with_its_auxiliary_classifiers():
    ours = M.GoogLeNet.preset("torchvision", num_classes=10, dropout=0.0, dropout_aux=0.0)
    check(ours, tame(their_googlenet()), GOOGLENET, seeded_randn(2, 3, 64, 96))


def test_googlenet_as_it_is_published():
    """The file has auxiliary classifiers that torchvision drops; images come normalised, and are transformed."""
    published = tame(their_googlenet())
    oracle = their_googlenet(aux_logits=False, transform_input=True).double()
    kept = {name: value for name, value in published.state_dict().items() if not name.startswith("aux")}
    oracle.load_state_dict(kept, strict=True)
    ours = M.GoogLeNet.preset("torchvision_weights", num_classes=10, dropout=0.0).double()
    ours.load_state_dict(to_ours(GOOGLENET_WEIGHTS, published.state_dict(), ours.state_dict()))
    check(ours, oracle, GOOGLENET_WEIGHTS, seeded_randn(2, 3, 64, 64))


@pytest.fixture
def trained(tmp_path):
    """A file of torchvision's GoogLeNet that someone trained, with auxiliary classifiers, and the network."""
    theirs = tame(their_googlenet()).float().eval()
    torch.save(theirs.state_dict(), tmp_path / "trained.pth")
    return tmp_path / "trained.pth", theirs


def same_scores(ours, theirs):
    x = torch.randn(1, 3, 40, 33)
    with torch.no_grad():
        return torch.allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_a_googlenet_that_someone_trained_is_read_as_it_is(trained, caplog):
    """What holds of the published file alone, -1..1 and no auxiliary classifiers, is not put upon another."""
    path, theirs = trained
    for how in ({}, {"preset": "torchvision"}, {"preset": "torchvision", "table": "torchvision/googlenet"}):
        caplog.clear()
        ours = M.GoogLeNet.from_pretrained(path, num_classes=10, **how)
        assert torch.equal(ours.aux1.fc2.weight, theirs.aux1.fc2.weight)
        assert ours.transform is None
        assert same_scores(ours, theirs)
        assumed = "is read as torchvision/googlenet.aux; if its weights come from torchvision/googlenet, pass preset="
        assert (assumed in caplog.text) is (not how)
    as_published = M.GoogLeNet.from_pretrained(path, num_classes=10, preset="torchvision_weights")
    assert as_published.aux1 is None
    assert as_published.transform is not None


def test_a_googlenet_whose_images_are_unknown_is_asked_about(trained, tmp_path):
    kept = {name: t for name, t in trained[1].state_dict().items() if not name.startswith("aux")}
    torch.save(kept, tmp_path / "kept.pth")
    with pytest.raises(WeightError, match=r"kept\.pth has the names of .* its tensors do not tell .* pass preset="):
        M.GoogLeNet.from_pretrained(tmp_path / "kept.pth", num_classes=10)
    ours = M.GoogLeNet.from_pretrained(tmp_path / "kept.pth", num_classes=10, preset="torchvision", aux_logits=False)
    assert same_scores(ours, trained[1])


def test_the_published_googlenet_is_known_by_its_hash(trained, tmp_path, monkeypatch):
    digits = sha256(trained[0])
    rows = tuple(replace(row, sha256=digits) if row.alone else row for row in PUBLISHED)
    monkeypatch.setattr(registry, "published_weights", lambda: rows)
    assert M.GoogLeNet.from_pretrained(trained[0], num_classes=10).transform is not None


def test_googlenet_goes_to_torchvision_with_its_auxiliary_classifiers(tmp_path):
    ours = M.GoogLeNet.preset("torchvision", num_classes=10).eval()
    ours.save_pretrained(tmp_path / "f", names="torchvision")
    theirs = their_googlenet().eval()
    theirs.load_state_dict(load_file(tmp_path / "f" / "model.safetensors"), strict=True)
    assert same_scores(ours, theirs)
    assert same_scores(M.GoogLeNet.from_pretrained(tmp_path / "f"), ours)
    with pytest.raises(ValueError, match=r"'torchvision/googlenet\.aux' is neither"):  # names, without a file
        M.GoogLeNet.from_pretrained("torchvision/googlenet.aux")


class Plain(nn.Module):
    """A convolution with a bias, and a ReLU: the unit of the paper, in the place of torchvision's normalised one."""

    def __init__(self, i, o, **options):
        super().__init__()
        self.conv = nn.Conv2d(i, o, **options)

    def forward(self, x):
        return torch.relu(self.conv(x))


class PaperInception(googlenet_module.Inception):
    def __init__(self, *sizes, conv_block):
        super().__init__(*sizes, conv_block=conv_block)
        self.branch3[1] = conv_block(sizes[4], sizes[5], kernel_size=5, padding=2)


class ResponseNorm(nn.Module):
    def forward(self, x):
        return lrn(x, 5, 1e-4, 0.75, 1.0)


class PaperAuxiliary(googlenet_module.InceptionAux):
    def forward(self, x):
        return super().forward(nn.functional.avg_pool2d(x, 5, 3))


def test_the_papers_googlenet_is_torchvisions_patched():
    """Plain convolutions, 5 × 5 kernels, response normalisation, 3 × 3 poolings throughout; 13,378,280 parameters."""

    def block(unit):
        return lambda *sizes, **options: unit(*sizes, conv_block=Plain, **options)

    oracle = torchvision.models.GoogLeNet(
        num_classes=10,
        init_weights=False,
        blocks=[Plain, block(PaperInception), block(PaperAuxiliary)],
        dropout=0.0,
        dropout_aux=0.0,
    )
    oracle.maxpool1 = nn.Sequential(oracle.maxpool1, ResponseNorm())
    oracle.maxpool2 = nn.Sequential(ResponseNorm(), oracle.maxpool2)
    oracle.maxpool4 = nn.MaxPool2d(3, 2, ceil_mode=True)
    ours = M.GoogLeNet(num_classes=10, dropout=0.0, dropout_aux=0.0)
    check(ours, tame(oracle), GOOGLENET, seeded_randn(1, 3, 80, 79))


@pytest.mark.parametrize("row", [row for row in PUBLISHED if row.address], ids=lambda row: row.name)
def test_every_published_file_fits_whole(row):
    """Names and shapes at full size, against what torchvision builds; the address is its own."""
    name = row.name.removeprefix("torchvision/")
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(**({"init_weights": False} if name != "alexnet" else {}))
        ours = getattr(M, row.model).preset(row.preset)
    assert to_ours(row.table, theirs.state_dict(), ours.state_dict()).keys() == ours.state_dict().keys()
    back = to_theirs(row.table, ours.state_dict())
    wanted = {n: t for n, t in theirs.state_dict().items() if not n.startswith("aux")}
    assert {n: t.shape for n, t in back.items()} == {n: t.shape for n, t in wanted.items()}
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    assert row.address == weights.url
    assert row.sha256 == weights.url.rpartition("-")[2].removesuffix(".pth")
    seen = weights.transforms()
    assert [row.preprocessing.crop] == seen.crop_size
    assert [row.preprocessing.resize] == seen.resize_size
    assert list(row.preprocessing.mean) == seen.mean
    assert list(row.preprocessing.std) == seen.std
    assert row.preprocessing.interpolation == seen.interpolation.value


def test_files_that_do_not_count_their_batches_are_read():
    with torch.device("meta"):
        ours = M.VGG.preset("vgg11_bn", width=2, hidden=7, num_classes=5)
    state = to_theirs(VGG["vgg11_bn"], ours.state_dict())
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    assert len(old) == len(state) - 8
    counted = to_ours(VGG["vgg11_bn"], old, ours.state_dict())
    assert counted.keys() == ours.state_dict().keys()


def test_the_wrong_table_is_refused_by_name():
    with torch.device("meta"):
        ours = M.VGG.preset("vgg11", width=2, hidden=7, num_classes=5)
    with pytest.raises(WeightError, match=r"features\.1\."):
        to_ours(VGG["vgg11"], to_theirs(VGG["vgg11_bn"], M.VGG.preset("vgg11_bn", device="meta").state_dict()), {})
    state = to_theirs(VGG["vgg11"], ours.state_dict())
    state["features.0.weight"] = state["features.0.weight"].new_empty(2, 3, 5, 5)
    with pytest.raises(WeightError, match=r"features\.0\.weight has the shape \(2, 3, 5, 5\)"):
        to_ours(VGG["vgg11"], state, ours.state_dict())
