"""What the component sweep cannot say of a layer: how it begins, and what it keeps."""

import pytest
import torch
from torch import nn

from groundup import layers as L


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: L.Linear(5, 7), lambda: nn.Linear(5, 7)),
        (lambda: L.Conv2d(4, 6, 3, groups=2), lambda: nn.Conv2d(4, 6, 3, groups=2)),
        (lambda: L.Conv2dGroups(4, 6, (3, 2), groups=2), lambda: nn.Conv2d(4, 6, (3, 2), groups=2)),
        (lambda: L.BatchNorm2d(3), lambda: nn.BatchNorm2d(3)),
    ],
)
def test_begins_as_pytorch_does_for_the_same_seed(ours, theirs):
    torch.manual_seed(1)
    a = ours().state_dict()
    torch.manual_seed(1)
    b = theirs().state_dict()
    assert a.keys() == b.keys()
    for name in b:
        torch.testing.assert_close(a[name], b[name], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_over_many_batches(momentum):
    """momentum=None keeps the plain average over all batches."""
    ours, theirs = L.BatchNorm1d(3, momentum=momentum), nn.BatchNorm1d(3, momentum=momentum)
    for seed in range(5):
        x = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-5, atol=1e-5)


def test_batch_norm_is_governed_by_its_mode_not_by_gradients():
    """no_grad while training still moves the statistics; gradients in eval mode do not."""
    layer, x = L.BatchNorm1d(2), torch.randn(8, 2)
    with torch.no_grad():
        layer(x)
    assert int(layer.num_batches_tracked) == 1
    before = layer.running_mean.clone()
    layer.eval()(x.requires_grad_()).sum().backward()
    assert torch.equal(layer.running_mean, before)


def test_dropout_is_governed_by_its_mode_not_by_gradients():
    layer, x = L.Dropout(0.5), torch.ones(1000)
    with torch.no_grad():
        assert (layer(x) == 0).any()
    assert torch.equal(layer.eval()(x.requires_grad_()), x)


def test_batch_norm_loads_files_from_before_the_counter():
    old = {k: v for k, v in nn.BatchNorm2d(3).state_dict().items() if k != "num_batches_tracked"}
    layer = L.BatchNorm2d(3)
    layer.num_batches_tracked.fill_(9)
    layer.load_state_dict(old)
    assert int(layer.num_batches_tracked) == 0


def test_batch_norm_under_autocast_keeps_float32_statistics():
    layer = L.BatchNorm2d(3)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(torch.randn(4, 3, 5, 5).bfloat16())
    assert y.dtype == torch.bfloat16
    assert layer.running_mean.dtype == torch.float32


@pytest.mark.usefixtures("untyped")
def test_a_wrong_state_dict_is_refused():
    """No broadcasting of shapes, no stray keys."""
    layer = L.Linear(8, 4)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        layer.load_state_dict({"weight": torch.zeros(1, 8), "bias": torch.zeros(4)})


def test_frozen_parameters_stay_in_the_state():
    layer = L.Linear(2, 2).requires_grad_(False)
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert layer.double().weight.dtype == torch.float64


def test_what_they_print():
    assert repr(L.Conv2d(3, 8, 3, padding="same", groups=1, bias=False)) == (
        "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=same, bias=False)"
    )
    assert "p=0.5" in repr(L.Dropout())
    assert repr(L.Linear(2, 3)) == "Linear(in_features=2, out_features=3, bias=True)"


def test_channels_last_is_kept():
    x = torch.randn(2, 4, 6, 6).to(memory_format=torch.channels_last)
    layer = L.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)
