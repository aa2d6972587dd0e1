"""The weights that torchvision and timm publish: their names, addresses and preprocessing, row by row."""

import pytest
import timm
import torch
import torchvision

from groundup.models import residual_networks
from groundup.weights import WeightError, to_ours, to_theirs
from groundup.weights.residual import DENSENET, PUBLISHED, RESNET
from rows.oracles.residual import randomise_norms

TIMM = [row for row in PUBLISHED if row.name.startswith("timm/")]
TORCHVISION = [row for row in PUBLISHED if row.name.startswith("torchvision/")]
by_name = {"ids": lambda row: row.name}


def build(row):
    return getattr(residual_networks, row.model).preset(row.preset, device="meta")


def on_meta(row):
    with torch.device("meta"):
        if row in TIMM:
            return timm.create_model(row.name.removeprefix("timm/").split(".")[0])
        return getattr(torchvision.models, row.preset)()


@pytest.mark.parametrize("row", PUBLISHED, **by_name)
def test_every_name_and_shape_fits(row):
    """All of theirs is used, all of ours filled, and the export has their names and shapes."""
    theirs, ours = on_meta(row).state_dict(), build(row).state_dict()
    made = to_ours(row.table, theirs, ours)
    assert made.keys() == ours.keys()
    back = to_theirs(row.table, ours)
    assert {name: value.shape for name, value in back.items()} == {n: v.shape for n, v in theirs.items()}


@pytest.mark.parametrize("row", TORCHVISION, **by_name)
def test_torchvisions_rows(row):
    name, _, version = row.name.removeprefix("torchvision/").partition(".")
    weights = torchvision.models.get_model_weights(name)[f"IMAGENET1K_{(version or 'v1').upper()}"]
    assert row.address == weights.url
    assert row.address.endswith(f"-{row.sha256}.pth")
    transform, asked = weights.transforms(), row.preprocessing
    assert (transform.crop_size, transform.resize_size) == ([asked.crop], [asked.resize])
    assert transform.interpolation.value == asked.interpolation
    assert (tuple(transform.mean), tuple(transform.std)) == (asked.mean, asked.std)


@pytest.mark.parametrize("row", TIMM, **by_name)
def test_timms_rows(row):
    config = timm.get_pretrained_cfg(row.name.removeprefix("timm/"))
    if config.hf_hub_id:
        assert row.address == f"hf://{config.hf_hub_id}/model.safetensors"
    else:
        assert row.address == config.url
        assert row.address.endswith(f"-{row.sha256}.pth")
    asked = row.preprocessing
    assert (asked.crop, asked.crop) == config.input_size[1:]
    assert asked.resize == int(asked.crop / config.crop_pct)
    assert asked.interpolation == config.interpolation
    assert (asked.mean, asked.std) == (config.mean, config.std)


def test_none_is_forgotten():
    kept = {row.address for row in PUBLISHED}
    for name in residual_networks.ResNet.presets.keys() | residual_networks.DenseNet.presets.keys():
        if name in torchvision.models.list_models():
            assert {weights.url for weights in torchvision.models.get_model_weights(name)} <= kept
    tags = [tag for name in ("seresnet50", "seresnext50_32x4d") for tag in timm.list_pretrained(f"{name}.*")]
    assert {f"timm/{tag}" for tag in tags} <= {row.name for row in TIMM}
    assert len({row.name for row in PUBLISHED}) == len(PUBLISHED)


def test_old_names_of_densenet_are_read_and_not_written():
    """The published files say norm.1 and conv.2 where torchvision's own model says norm1 and conv2."""
    model = randomise_norms(torchvision.models.DenseNet(4, (2, 1, 1, 1), 8, num_classes=3))
    ours = residual_networks.DenseNet121(3, growth_rate=4, block_config=(2, 1, 1, 1))
    new = model.state_dict()
    old = {}
    for name, value in new.items():
        for part in ("norm", "conv"):
            for i in "12":
                if "denselayer" in name:
                    name = name.replace(f".{part}{i}.", f".{part}.{i}.")
        if not name.endswith("num_batches_tracked"):  # older than that count
            old[name] = value
    assert "features.denseblock1.denselayer2.norm.1.weight" in old
    ours.load_state_dict(to_ours(DENSENET, old, ours.state_dict()), strict=True)
    x = torch.randn(2, 3, 40, 40)
    torch.testing.assert_close(ours.eval()(x), model.eval()(x))
    assert to_theirs(DENSENET, ours.state_dict()).keys() == new.keys()


def test_files_without_counts_are_read():
    model = torchvision.models.resnet18()
    old = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    ours = residual_networks.ResNet()
    made = to_ours(RESNET, old, ours.state_dict())
    assert torch.equal(made["layer2.0.shortcut.bn.num_batches_tracked"], torch.tensor(0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer1.0.conv1.weight": None}, r"nothing in the file fills layer1\.0\.conv1\.weight"),
        (
            {"layer1.0.conv4.weight": torch.ones(1)},
            r"the file has layer1\.0\.conv4\.weight, which the model does not have",
        ),
        ({"layer5.extra": torch.ones(1)}, r"tensors that the model does not know: layer5\.extra"),
        ({"fc.weight": torch.ones(1000, 5)}, r"fc\.weight has the shape \(1000, 5\), head\.weight of the model"),
    ],
)
def test_a_damaged_file_is_refused_by_name(change, words):
    state = {n: v for n, v in {**torchvision.models.resnet18().state_dict(), **change}.items() if v is not None}
    with pytest.raises(WeightError, match=words):
        to_ours(RESNET, state, residual_networks.ResNet(device="meta").state_dict())
