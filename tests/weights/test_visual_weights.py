"""The visual transformers that torchvision, timm and Hugging Face publish: their names, and files there and back."""

import logging

import pytest
import timm
import torch
import torchvision
import transformers
from safetensors.torch import load_file, save_file

from groundup.models import visual_transformers
from groundup.models.visual_transformers import SwinTransformer, VisionTransformer
from groundup.weights import to_ours, to_theirs
from groundup.weights.visual_transformers import (
    PUBLISHED,
    SWIN_HUGGING_FACE,
    SWIN_TIMM,
    SWIN_TORCHVISION,
    VIT_HUGGING_FACE,
    VIT_TORCHVISION,
)
from parity import randomise

TIMM = [row for row in PUBLISHED if row.name.startswith("timm/")]
TORCHVISION = [row for row in PUBLISHED if row.name.startswith("torchvision/")]
by_name = {"ids": lambda row: row.name}


@pytest.mark.parametrize("row", TORCHVISION + TIMM, **by_name)
def test_every_name_and_shape_fits(row):
    """All of theirs is used, all of ours filled, and the export has their names and shapes."""
    with torch.device("meta"):
        name = row.name.split("/")[1].split(".")[0]
        oracle = getattr(torchvision.models, name)() if row in TORCHVISION else timm.create_model(name)
    theirs = oracle.state_dict()
    ours = getattr(visual_transformers, row.model).preset(row.preset, device="meta").state_dict()
    assert to_ours(row.table, theirs, ours).keys() == ours.keys()
    back = to_theirs(row.table, ours)
    assert {name: value.shape for name, value in back.items()} == {n: v.shape for n, v in theirs.items()}


@pytest.mark.parametrize("row", TORCHVISION, **by_name)
def test_torchvisions_rows(row):
    weights = torchvision.models.get_model_weights(row.name.split("/")[1])["IMAGENET1K_V1"]
    assert row.address == weights.url
    transform, asked = weights.transforms(), row.preprocessing
    assert (transform.crop_size, transform.resize_size) == ([asked.crop], [asked.resize])
    assert transform.interpolation.value == asked.interpolation
    assert (tuple(transform.mean), tuple(transform.std)) == (asked.mean, asked.std)


@pytest.mark.parametrize("row", TIMM, **by_name)
def test_timms_rows(row):
    config = timm.get_pretrained_cfg(row.name.removeprefix("timm/"))
    assert row.address == f"hf://{config.hf_hub_id}/model.safetensors"
    asked = row.preprocessing
    assert (asked.crop, asked.crop) == config.input_size[1:]
    assert asked.resize == int(asked.crop / config.crop_pct)
    assert asked.interpolation == config.interpolation
    assert (asked.mean, asked.std) == (config.mean, config.std)
    assert config.num_classes == 1000


def test_torchvisions_own_indices_are_written():
    """Its strict load wants them, though they follow from the window's size."""
    ours = SwinTransformer(3, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=2)
    oracle = torchvision.models.SwinTransformer([4, 4], 8, [1, 1, 1, 1], [1, 1, 1, 1], [2, 2], num_classes=3)
    exported = to_theirs(SWIN_TORCHVISION, ours.state_dict())
    index = "features.1.0.attn.relative_position_index"
    assert torch.equal(exported[index], oracle.state_dict()[index])
    oracle.load_state_dict(exported, strict=True)
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(ours.eval()(x), oracle.eval()(x))


def test_old_names_of_torchvisions_vit_are_read_and_not_written():
    oracle = torchvision.models.VisionTransformer(8, 4, 1, 2, 8, 16, num_classes=3)
    ours = VisionTransformer(3, 3, 8, 4, 8, 1, 2, 16)
    new = randomise(oracle).state_dict()
    old = {name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): v for name, v in new.items()}
    assert old.keys() != new.keys()
    ours.load_state_dict(to_ours(VIT_TORCHVISION, old, ours.state_dict()))
    x = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(ours.eval()(x), oracle.eval()(x))
    assert to_theirs(VIT_TORCHVISION, ours.state_dict()).keys() == new.keys()


VIT_CONFIG = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
SWIN_CONFIG = {"embed_dim": 4, "depths": [2, 1, 1, 2], "num_heads": [1, 1, 2, 2], "window_size": 2, "patch_size": 2}
SWIN = {"patch_size": 2, "embed_dim": 4, "depths": (2, 1, 1, 2), "num_heads": (1, 1, 2, 2), "window_size": 2}
OURS = {
    "ViT": (
        lambda: VisionTransformer(2, 3, 8, 4, 8, 2, 2, 16, norm_eps=1e-12),
        VIT_HUGGING_FACE,
        lambda: transformers.ViTConfig(image_size=8, patch_size=4, **VIT_CONFIG),
    ),
    "Swin": (lambda: SwinTransformer(2, **SWIN), SWIN_HUGGING_FACE, lambda: transformers.SwinConfig(**SWIN_CONFIG)),
}


@pytest.mark.parametrize("name", ["ViT", "Swin"])
def test_hugging_faces_files_there_and_back(name, tmp_path):
    """As transformers saves it, read here; written here, as transformers reads it; at their size and at another."""
    build, table, config = OURS[name]
    kind = getattr(transformers, f"{name}ForImageClassification")
    oracle = randomise(kind(config())).eval()
    for parameter in oracle.parameters():
        parameter.data.mul_(0.4)
    oracle.save_pretrained(tmp_path / "theirs")
    ours = build().eval()
    ours.load_state_dict(to_ours(table, load_file(tmp_path / "theirs" / "model.safetensors"), ours.state_dict()))
    ours, oracle = ours.double(), oracle.double()
    # Largest first: a map that one window covers turns the shift off in transformers' layers, for good.
    for size in ((8, 8), (12, 16)) if name == "ViT" else ((40, 40), (32, 32)):
        x = torch.rand(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        extra = {"interpolate_pos_encoding": True} if name == "ViT" else {}
        a, b = ours(x), oracle(x, **extra).logits
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
        (da,), (db,) = (torch.autograd.grad(y.square().sum(), x) for y in (a, b))
        torch.testing.assert_close(da, db, rtol=0, atol=1e-9)
    (tmp_path / "ours").mkdir()
    save_file(to_theirs(table, ours.float().state_dict()), tmp_path / "ours" / "model.safetensors", {"format": "pt"})
    oracle.config.save_pretrained(tmp_path / "ours")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    again = kind.from_pretrained(tmp_path / "ours").eval().double()
    torch.testing.assert_close(again(x, **extra).logits, b, rtol=0, atol=1e-5)


def test_a_swin_of_timm_and_its_old_buffers():
    oracle = timm.models.swin_transformer.SwinTransformer(
        32, 2, 3, 3, embed_dim=4, depths=(2, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=2
    )
    ours = SwinTransformer(3, **SWIN | {"depths": (2, 1, 1, 1)})
    for parameter in oracle.parameters():  # not the buffers: its mask is one, and of floats
        torch.nn.init.normal_(parameter, std=0.4)
    state = oracle.state_dict()
    old = state | {
        "layers.0.blocks.1.attn_mask": torch.zeros(64, 4, 4),
        "layers.0.blocks.0.attn.relative_position_index": torch.zeros(4, 4, dtype=torch.int64),
    }
    ours.load_state_dict(to_ours(SWIN_TIMM, old, ours.state_dict()))
    x = 0.1 * torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(ours.double().eval()(x.double()), oracle.double().eval()(x.double()), rtol=0, atol=1e-9)
    assert to_theirs(SWIN_TIMM, ours.state_dict()).keys() == state.keys()


FULL = {
    "ViT": (lambda: VisionTransformer(norm_eps=1e-12), lambda: transformers.ViTConfig(num_labels=1000)),
    "Swin": (
        lambda: SwinTransformer(stochastic_depth=0.0),
        lambda: transformers.SwinConfig(num_labels=1000, drop_path_rate=0.0),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("ViT", (224, 224)), ("ViT", (160, 192)), ("Swin", (224, 224)), ("Swin", (256, 320))]
)
def test_hugging_faces_at_full_size(name, size, tmp_path):
    """Scores and every gradient in float64; what it saves has other names than what it computes with."""
    (build, config), table = FULL[name], OURS[name][1]
    oracle = getattr(transformers, f"{name}ForImageClassification")(config()).double()
    torch.manual_seed(0)
    for parameter in oracle.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))

    def saved(folder):
        oracle.save_pretrained(tmp_path / folder)
        return to_ours(table, load_file(tmp_path / folder / "model.safetensors"), ours.state_dict())

    ours = build().double()
    ours.load_state_dict(saved("weights"))
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    extra = {"interpolate_pos_encoding": True} if name == "ViT" else {}
    a, b = ours.train()(x), oracle.train()(x, **extra).logits
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * b.abs().max().item())
    upstream = torch.randn_like(b)
    a.backward(upstream)
    b.backward(upstream)
    for parameter in oracle.parameters():
        parameter.data.copy_(parameter.grad)
    expected = saved("gradients")
    for key, parameter in ours.named_parameters():
        scale = max(1.0, expected[key].abs().max().item())
        torch.testing.assert_close(
            parameter.grad, expected[key], rtol=0, atol=1e-10 * scale, msg=lambda m, k=key: k + m
        )
