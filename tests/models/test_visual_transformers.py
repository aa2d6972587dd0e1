"""ViT and Swin: numbers, shapes, full-size parity, what the shift's mask is for, and stochastic depth."""

import pytest
import timm
import torch
import torchvision
from timm.models.swin_transformer import SwinTransformerBlock as TimmSwinBlock

from groundup import backend
from groundup.functional import scaled_dot_product_attention
from groundup.layers import StochasticDepth
from groundup.models.visual_transformers import (
    SwinTransformer,
    SwinTransformerBlock,
    VisionTransformer,
    VisionTransformerConvStem,
)
from groundup.models.visual_transformers.swin import PatchMerging, from_windows, shift_mask, to_windows
from groundup.tools.inspect import capture_attention, summary
from groundup.weights import to_ours
from groundup.weights.visual_transformers import SWIN_TIMM, SWIN_TORCHVISION, VIT_TIMM, VIT_TORCHVISION
from parity import randomise, seeded_randn
from shape_column import check_shape_column
from vision_parity import assert_equal_networks


@pytest.mark.parametrize(
    ("model", "preset", "parameters", "multiply_adds"),
    [
        (VisionTransformer, "vit_b_16", 86_567_656, 17.564),  # with 12 heads and the projections' biases
        (VisionTransformer, "vit_b_32", 88_224_232, 4.409),
        (VisionTransformer, "vit_l_16", 304_326_632, 61.555),
        (VisionTransformer, "vit_h_14", 632_045_800, 167.295),
        (VisionTransformer, "vit_s_16", 22_050_664, 4.599),
        (VisionTransformer, "vit_b_16_384", 86_859_496, 55.484),
        (VisionTransformerConvStem, "vit_c_1gf", 4_567_936, 1.076),
        (VisionTransformerConvStem, "vit_c_4gf", 17_754_136, 3.959),
        (VisionTransformerConvStem, "vit_c_18gf", 81_573_160, 17.711),  # another's stem was none of the paper's
        (VisionTransformerConvStem, "vit_c_36gf", 167_796_008, 35.002),
        (SwinTransformer, "swin_t", 28_288_354, 4.491),  # another's depths counted pairs: 54,208,060
        (SwinTransformer, "swin_s", 49_606_258, 8.741),
        (SwinTransformer, "swin_b", 87_768_224, 15.431),
    ],
)
def test_numbers(model, preset, parameters, multiply_adds):
    report = summary(model.preset(preset, device="meta"), model.input_sizes.get(preset, (3, 224, 224)))
    assert report.parameters == parameters
    assert round(report.multiply_adds / 1e9, 3) == multiply_adds


def test_numbers_of_the_parts():
    def count(part):
        return sum(p.numel() for p in part.parameters())

    assert count(SwinTransformerBlock(96, 3)) == 112_347
    assert count(PatchMerging(96)) == 74_496  # its norm has 4 C, its linear layer no bias
    assert count(VisionTransformer(device="meta", pool="mean")) == 86_567_656 - 2 * 768  # no class token, nor its place


@pytest.mark.parametrize("model", [VisionTransformer, SwinTransformer])
def test_the_shape_column_is_true(model):
    check_shape_column(model(), (3, 224, 224))


@pytest.mark.parametrize("model", [VisionTransformer, VisionTransformerConvStem, SwinTransformer])
def test_the_first_preset_is_the_default(model):
    first = next(iter(model.presets))
    expected = {name: value.shape for name, value in model.preset(first, device="meta").state_dict().items()}
    assert {name: value.shape for name, value in model(device="meta").state_dict().items()} == expected


# ---- parity at the full architecture -----------------------------------------------------------------------------


def without_depth(network):
    """Nothing left out at random."""
    for part in network.modules():
        if type(part).__name__ in ("StochasticDepth", "DropPath"):
            part.p = part.drop_prob = 0.0
    return network


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 160])
def test_vit_b_16_is_torchvisions(size):
    ours = VisionTransformer(image_size=size).double()
    assert_equal_networks(ours, lambda: torchvision.models.vit_b_16(image_size=size), VIT_TORCHVISION, (size, size))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(224, 224), (120, 96)])
def test_swin_t_is_torchvisions(size):
    ours = without_depth(SwinTransformer()).double()
    assert_equal_networks(ours, lambda: without_depth(torchvision.models.swin_t()), SWIN_TORCHVISION, size)


@pytest.mark.slow
def test_swin_t_is_timms():
    ours = without_depth(SwinTransformer()).double()
    oracle = timm.create_model("swin_tiny_patch4_window7_224", drop_path_rate=0.0)
    assert_equal_networks(ours, lambda: oracle, SWIN_TIMM, (224, 224))


@pytest.mark.slow
def test_vit_b_16_is_timms():
    oracle = timm.create_model("vit_base_patch16_224")
    assert_equal_networks(VisionTransformer().double(), lambda: oracle, VIT_TIMM, (224, 224))


def test_a_vit_of_two_layers_is_timms():
    ours = VisionTransformer(10, image_size=32, embed_dim=48, num_heads=3, num_layers=2).double()
    arguments = {"img_size": 32, "embed_dim": 48, "num_heads": 3, "depth": 2, "num_classes": 10}
    oracle = timm.create_model("vit_base_patch16_224", **arguments)
    assert_equal_networks(ours, lambda: oracle, VIT_TIMM, (32, 32))


# ---- ViT ---------------------------------------------------------------------------------------------------------


def test_the_norm_comes_first_and_only_in_the_branch():
    """x + ff(norm(x)), where another computed x + norm(ff(x)); and eps is the paper's, not LayerNorm's default."""
    model = randomise(VisionTransformer(3, 3, 8, 4, 8, 1, 2)).double().eval()
    block = model.blocks[0]
    x = seeded_randn(2, 5, 8)
    y = x + block.self_attn(block.self_attn_norm(x))
    torch.testing.assert_close(block(x), y + block.feed_forward(block.feed_forward_norm(y)))
    assert {part.eps for part in model.modules() if hasattr(part, "eps")} == {1e-6}


def test_interpolate_positions_another_grid_are_interpolated():
    model = randomise(VisionTransformer(3, 3, (24, 20), 4, 8, 1, 2)).double()
    tokens = model.tokens
    assert tokens.interpolate_positions((6, 5)) is tokens.positions
    other = tokens.interpolate_positions((9, 3))
    assert other.shape == (1, 28, 8)
    assert torch.equal(other[:, 0], tokens.positions[:, 0])  # the class token has no place in the image
    learned = tokens.positions[:, 1:].detach().unflatten(1, (6, 5)).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(learned, (9, 3), mode="bicubic", align_corners=False)
    torch.testing.assert_close(other[:, 1:].detach(), expected.flatten(2).mT)
    assert model(seeded_randn(2, 3, 36, 12)).shape == (2, 3)


def test_attention_of_the_class_token_can_be_looked_at():
    model = VisionTransformer.preset("digits").eval()
    x = torch.rand(3, 1, 16, 16)
    with capture_attention(model) as seen:
        model(x)
    assert len(seen) == 3
    for (weights,) in seen.values():
        assert weights.shape == (3, 4, 17, 17)
        torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4, 17))


def test_every_parameter_learns():
    tiny = {"num_classes": 3, "image_size": 8, "patch_size": 4, "embed_dim": 8, "num_heads": 2}
    swin = {"patch_size": 2, "embed_dim": 4, "depths": (2, 2, 2, 2), "num_heads": (1, 1, 2, 2), "window_size": 2}
    for model, size in (
        (VisionTransformer(3, 3, 8, 4, 8, 2, 2), 8),
        (VisionTransformerConvStem(num_layers=2, conv_stem=((4, 2), (4, 2)), **tiny), 8),
        (SwinTransformer(3, **swin), 32),
    ):
        torch.nn.init.normal_(model.head.weight)  # ViT's begins at 0
        model.eval()(torch.randn(4, 3, size, size)).square().sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


# ---- Swin --------------------------------------------------------------------------------------------------------


def test_the_mask_is_timms():
    block = TimmSwinBlock(8, (14, 14), 2, window_size=7, shift_size=3)
    ours = shift_mask(14, 14, 7, (3, 3))
    assert torch.equal(ours, block.attn_mask == 0)


def test_windows_and_back():
    x = seeded_randn(2, 6, 9, 4)
    windows = to_windows(x, 3)
    assert windows.shape == (2 * 6, 9, 4)
    assert torch.equal(windows[1], x[0, :3, 3:6].flatten(0, 1))
    assert torch.equal(from_windows(windows, 3, 6, 9), x)


def test_shifted_windows_are_dense_attention_under_the_explicit_mask():
    """Every token attends to those of its shifted window that are truly near it, biased by their offset."""
    M, s, H, W, E, heads = 4, 2, 8, 12, 8, 2
    block = randomise(SwinTransformerBlock(E, heads, M, s)).double()
    attention = block.self_attn.attention.attention
    x = seeded_randn(2, H, W, E)
    rows, columns = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    table = block.self_attn.attention.position_bias.table
    window = ((rows - s).div(M, rounding_mode="floor"), (columns - s).div(M, rounding_mode="floor"))  # no wrap
    near = (window[0][:, None] == window[0]) & (window[1][:, None] == window[1])
    offset = (rows[:, None] - rows + M - 1) * (2 * M - 1) + (columns[:, None] - columns + M - 1)
    bias = table[torch.where(near, offset, 0)].permute(2, 0, 1)
    mask = torch.where(near, bias, -torch.inf)[None]
    q, k, v = (
        layer(x.flatten(1, 2)).unflatten(-1, (heads, -1)).transpose(1, 2)
        for layer in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    dense = scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)
    torch.testing.assert_close(block.self_attn(x).flatten(1, 2), attention.out_proj(dense))


def test_nothing_crosses_the_wrap():
    block = randomise(SwinTransformerBlock(8, 2, 4, 2)).double()
    x = seeded_randn(1, 8, 8, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(block(x)[0, 0, 0].sum(), x)  # of the corner
    reached = gradient[0].abs().sum(-1) > 0
    assert reached[:2, :2].all()
    assert not reached[2:].any()
    assert not reached[:, 2:].any()


@pytest.mark.parametrize("size", [(7, 7), (5, 6)])
def test_where_one_window_covers_the_map_nothing_shifts(size):
    """Another's shifted, and masked, stage 4."""
    shifted, plain = (randomise(SwinTransformerBlock(8, 2, 7, shift)).double() for shift in (3, 0))
    x = seeded_randn(2, *size, 8)
    assert torch.equal(shifted(x), plain(x))


def test_blocks_take_turns():
    model = SwinTransformer(device="meta")
    stages = [[block.self_attn.shift_size for block in getattr(model, f"stage{i}").blocks] for i in (1, 2, 3, 4)]
    assert stages == [[0, 3], [0, 3], [0, 3, 0, 3, 0, 3], [0, 3]]
    rates = [part.p for part in model.modules() if isinstance(part, StochasticDepth)]
    assert len(rates) == 12
    assert rates[0] == 0
    assert rates == pytest.approx([0.2 * i / 11 for i in range(12)], abs=1e-7)


def test_merging_takes_columns_last():
    merge = PatchMerging(2)
    x = torch.arange(32.0).view(1, 4, 4, 2)
    seen = []
    merge.norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    merge(x)
    assert torch.equal(seen[0][0, 0, 0], torch.cat([x[0, 0, 0], x[0, 1, 0], x[0, 0, 1], x[0, 1, 1]]))


# ---- stochastic depth --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_stochastic_depth_statistics(mode):
    """Whole samples, E = 1, variance p / (1 - p)."""
    layer = StochasticDepth(0.3)
    with backend(mode):
        y = layer(torch.ones(100_000, 2, 3))
    assert torch.equal(y, y[:, :1, :1].expand_as(y))
    kept = y[:, 0, 0]
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert kept.mean().item() == pytest.approx(1.0, abs=0.01)
    assert kept.var().item() == pytest.approx(0.3 / 0.7, abs=0.01)


def test_stochastic_depth_is_nothing_in_eval_mode_and_all_at_one():
    x = torch.randn(4, 3)
    assert torch.equal(StochasticDepth(0.9).eval()(x), x)
    assert torch.equal(StochasticDepth(0.0)(x), x)
    assert (StochasticDepth(1.0)(x) == 0).all()
    with pytest.raises(ValueError, match="p must be a finite number"):
        StochasticDepth(1.5)


def test_a_block_left_out_is_the_identity():
    block = randomise(SwinTransformerBlock(8, 2, 3, stochastic_depth=1.0))
    x = torch.randn(2, 6, 6, 8)
    assert torch.equal(block(x), x)
    assert not torch.equal(block.eval()(x), x)


def test_a_torchvision_file_is_read_into_every_place():
    """Shapes and names of the whole of swin_t, index included, there and back."""
    with torch.device("meta"):
        theirs = torchvision.models.swin_t().state_dict()
    ours = SwinTransformer(device="meta").state_dict()
    assert to_ours(SWIN_TORCHVISION, theirs, ours).keys() == ours.keys()
