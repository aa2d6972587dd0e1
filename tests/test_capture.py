"""capture: what flows through, no hook left, no graph held."""

import pytest
import torch
from torch import nn

from groundup.layers import Conv2d
from groundup.models.convolutional_networks import LeNet5
from groundup.tools.inspect import attention_rollout, capture, capture_attention

x = torch.randn(2, 1, 32, 32)


def hooks(model):
    return [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]


def test_by_name_and_by_type():
    model = LeNet5()
    with capture(model, "s?", Conv2d) as seen:
        model(x)
        model(x)
    assert list(seen) == ["c1", "s2", "s4", "c5"]  # in the order of the model; c3 is no Conv2d
    assert [len(calls) for calls in seen.values()] == [2] * 4
    torch.testing.assert_close(seen["c1"][0], model.c1(x))
    assert not hooks(model)


def test_no_graph_is_held_and_gradients_still_flow():
    model = LeNet5()
    with capture(model, "f6") as seen:
        scores = model(x)
    assert not seen["f6"][0].requires_grad
    scores.sum().backward()
    assert model.c1.weight.grad is not None


@pytest.mark.usefixtures("untyped")
def test_hooks_go_when_the_block_fails():
    model = LeNet5()
    with pytest.raises(ValueError, match="x must be 32 × 32 pixels"), capture(model, "c1"):
        model(x[:, :, :5])
    assert not hooks(model)


@pytest.mark.usefixtures("untyped")
def test_errors():
    with (
        pytest.raises(ValueError, match="no module of LeNet5 matches 'conv9'; it has c1, s2"),
        capture(LeNet5(), "conv9"),
    ):
        pass
    with pytest.raises(ValueError, match="what: name modules"), capture(LeNet5()):
        pass
    with pytest.raises(ValueError, match="LeNet5 has no attention"), capture_attention(LeNet5()):
        pass


class Twice(nn.Module):
    """Two layers of attention, one of which is asked for its weights by the model itself."""

    def __init__(self):
        from groundup.layers import MultiHeadAttention

        super().__init__()
        self.first, self.second = MultiHeadAttention(8, 2), MultiHeadAttention(8, 4)

    def forward(self, x):
        x = self.first(x, is_causal=True)
        x, weights = self.second(x, need_weights=True)
        return x, weights


def test_attention_of_every_layer():
    model, x = Twice(), torch.randn(3, 5, 8)
    expected = model(x)
    with capture_attention(model) as maps:
        actual = model(x)
    torch.testing.assert_close(actual, expected)
    assert [m[0].shape for m in maps.values()] == [(3, 2, 5, 5), (3, 4, 5, 5)]
    torch.testing.assert_close(maps["second"][0], expected[1])
    torch.testing.assert_close(maps["first"][0].sum(-1), torch.ones(3, 2, 5))
    assert (maps["first"][0].triu(1) == 0).all()
    assert not hooks(model)


def test_rollout_of_attention():
    """Ã_2 Ã_1 by hand; what attends to itself alone keeps itself; and rows stay shares."""
    weights = [torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    weights = [w / w.sum(-1, keepdim=True) for w in weights]
    first, second = ((w.mean(1) + torch.eye(4)) / 2 for w in weights)
    rolled = attention_rollout(weights)
    torch.testing.assert_close(rolled, second @ first)
    torch.testing.assert_close(rolled.sum(-1), torch.ones(2, 4))
    assert torch.equal(attention_rollout([torch.eye(4).expand(1, 2, 4, 4)])[0], torch.eye(4))
    with pytest.raises(ValueError, match="layers must hold the weights of at least one layer"):
        attention_rollout([])
