"""Strided 1 × 1 convolutions of few channels, last in memory: oneDNN writes beyond the gradient's end on AVX2."""

import pytest
import torch
from torch.nn import functional as F

from groundup.functional import conv2d
from parity import seeded_randn


@pytest.mark.parametrize("channels", [3, 4, 6, 15, 16])
@pytest.mark.parametrize("stride", [2, (2, 1), (1, 3)])
def test_what_a_stride_skips_can_go_first(channels, stride):
    x = seeded_randn(2, channels, 10, 12).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight, bias = seeded_randn(8, channels, 1, 1).requires_grad_(), seeded_randn(8).requires_grad_()
    actual = conv2d(x, weight, bias, stride)
    expected = F.conv2d(x.contiguous(), weight, bias, stride)
    torch.testing.assert_close(actual, expected)
    cotangent = seeded_randn(*expected.shape)
    for ours, theirs in zip(*(torch.autograd.grad(y, (x, weight, bias), cotangent) for y in (actual, expected))):
        torch.testing.assert_close(ours, theirs)
