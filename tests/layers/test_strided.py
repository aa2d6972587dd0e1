"""Strided 1 × 1 convolutions of few channels, last in memory: oneDNN writes beyond the gradient's end on AVX2."""

import pytest
import torch
from torch.nn import functional as F

from groundup.functional import conv2d
from parity import seeded_randn

CHANNELS = pytest.mark.parametrize("channels", [3, 4, 6, 15, 16])
STRIDES = pytest.mark.parametrize("stride", [2, (2, 1), (1, 3)])


def drawn(channels):
    """An image, last in memory its channels, and the weight and bias of 8 filters: float32, which oneDNN takes."""
    x = seeded_randn(2, channels, 10, 12).float().contiguous(memory_format=torch.channels_last)
    return [t.requires_grad_() for t in (x, seeded_randn(8, channels, 1, 1).float(), seeded_randn(8).float())]


@CHANNELS
@STRIDES
def test_what_a_stride_skips_can_go_first(channels, stride):
    given = drawn(channels)
    actual = conv2d(*given, stride)
    expected = F.conv2d(given[0].contiguous(), *given[1:], stride)
    torch.testing.assert_close(actual, expected)
    cotangent = seeded_randn(*expected.shape).float()
    for ours, theirs in zip(*(torch.autograd.grad(y, given, cotangent) for y in (actual, expected))):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.body("auto")
@CHANNELS
@STRIDES
def test_onednn_gets_no_stride_of_few_channels(channels, stride, monkeypatch):
    """Other processors than those of AVX2 compute it right, so that only the call itself says what they were given."""
    strides, kernel = [], F.conv2d

    def watched(x, weight, bias, stride, *others):
        strides.append(stride)
        return kernel(x, weight, bias, stride, *others)

    monkeypatch.setattr(F, "conv2d", watched)
    conv2d(*drawn(channels), stride)
    assert strides == [1 if channels < 16 else stride]
