"""The one block: norm before and after, any attention and feed-forward, and what may stand on its branches."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from groundup import backend
from groundup import layers as L
from groundup.models.transformer_networks import FeedForward, GatedFeedForward, TransformerBlock
from parity import assert_same, randomise, run, seeded_randn
from peak import kept

MINIMUM = "groundup.kernels.recomputation.RECOMPUTE_MIN_ELEMENTS"
NAMES = {
    "norm1": "self_attn_norm",
    "multihead_attn": "cross_attn",
    "norm3": "feed_forward_norm",
    "linear1": "feed_forward.linear1",
    "linear2": "feed_forward.linear2",
}


def block(norm_first, decoder=False, **options):
    def attention():
        return L.MultiHeadAttention(8, 2)

    return TransformerBlock(
        attention(),
        FeedForward(8, 12),
        lambda: L.LayerNorm(8),
        attention() if decoder else None,
        norm_first=norm_first,
        **options,
    )


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("decoder", [True, False])
def test_it_is_pytorchs_layer(norm_first, decoder):
    kind = nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer
    theirs = randomise(kind(8, 2, 12, 0.0, batch_first=True, norm_first=norm_first).double())
    names = NAMES | {"norm2": "cross_attn_norm" if decoder else "feed_forward_norm"}
    ours = block(norm_first, decoder).double()
    state = {}
    for name, value in theirs.state_dict().items():
        part, rest = name.split(".", 1)
        state[f"{names.get(part, part)}.{rest}"] = value
    ours.load_state_dict(state)
    inputs = [seeded_randn(2, 5, 8)] + [seeded_randn(2, 3, 8, seed=4)] * decoder
    actual, expected = run(ours.train(), inputs, ours), run(theirs.train(), inputs, theirs)
    actual.parameter_grads = expected.parameter_grads = {}  # named apart; the rows compare them
    assert_same(actual, expected, torch.float64)


def test_the_second_norm_stands_before_the_feed_forward_network():
    """x + norm(ff(x)), seen in the wild, scales what is added to unit variance."""
    module = randomise(block(True).double())
    x = seeded_randn(2, 5, 8)
    with torch.no_grad():
        h = x + module.self_attn(module.self_attn_norm(x))
        torch.testing.assert_close(module(x), h + module.feed_forward(module.feed_forward_norm(h)))


def test_gated_is_down_of_silu_of_gate_times_up():
    layer = randomise(GatedFeedForward(6, 10).double())
    x = seeded_randn(2, 3, 6)
    gate, up, down = (p.weight for p in (layer.gate_proj, layer.up_proj, layer.down_proj))
    expected = (nn.functional.silu(x @ gate.T) * (x @ up.T)) @ down.T
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "silu"])
def test_every_activation(activation):
    layer = randomise(FeedForward(6, 10, activation).double())
    x = seeded_randn(2, 3, 6)
    theirs = {"gelu_tanh": lambda h: nn.functional.gelu(h, approximate="tanh")}.get(
        activation, getattr(nn.functional, activation, None)
    )
    torch.testing.assert_close(layer(x), layer.linear2(theirs(layer.linear1(x))))


def test_a_module_may_stand_on_the_branches():
    class Nothing(nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    x = seeded_randn(2, 5, 8, dtype=torch.float32)
    assert torch.equal(block(True, dropout=Nothing())(x), x)


def test_attention_takes_what_it_is_given():
    module = randomise(block(True).double())
    x = seeded_randn(2, 5, 8)
    y = module(x, is_causal=True)
    x2 = x.clone()
    x2[:, 3:, 0] += 1
    torch.testing.assert_close(module(x2, is_causal=True)[:, :3], y[:, :3], rtol=0, atol=0)
    assert (module(x2)[:, :3] - module(x)[:, :3]).abs().max() > 1e-3


@pytest.mark.parametrize("decoder", [True, False])
def test_memory_and_the_attention_that_reads_it_come_together(decoder):
    x = torch.randn(2, 5, 8)
    with pytest.raises(ValueError, match=r"memory: this block has (no|a) cross-attention"):
        block(True, decoder)(x, None if decoder else x)


def test_bad_parts():
    with pytest.raises(ValueError, match="activation must be one of 'relu', 'gelu'"):
        FeedForward(4, 8, "swish")
    with pytest.raises(ValueError, match="hidden_dim must be at least 1, got 0"):
        FeedForward(4, 0)


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "silu", "relu"])
def test_the_hidden_places_are_kept_once_and_their_derivatives_are_right(activation, monkeypatch):
    """What the second product is taken of is made again; through it, second derivatives too."""
    monkeypatch.setattr(MINIMUM, 1)
    layer = randomise(FeedForward(4, 6, activation).double())
    x = seeded_randn(3, 2, 4).requires_grad_()
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)
    wide, x = FeedForward(2, 4096, activation), torch.randn(512, 2, requires_grad=True)
    with backend("auto"):
        assert kept(lambda: wide(x)) < 1.1 * 512 * 4096 * x.itemsize
        assert kept(lambda: checkpoint(wide, x, use_reentrant=False)) < 0.1 * 512 * 4096 * x.itemsize


@pytest.mark.usefixtures("untyped")
def test_it_compiles_whole_where_they_are_kept_once(monkeypatch):
    monkeypatch.setattr(MINIMUM, 1)
    layer, x = randomise(FeedForward(4, 6, "gelu").double()), seeded_randn(3, 4).requires_grad_()
    expected = torch.autograd.grad(layer(x).square().sum(), (x, *layer.parameters()))
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(torch.autograd.grad(compiled(x).square().sum(), (x, *layer.parameters())), expected)


def test_transforms_and_tensors_without_memory_go_past_that(monkeypatch):
    monkeypatch.setattr(MINIMUM, 1)
    layer, x = FeedForward(4, 8, "gelu").double(), seeded_randn(3, 4)
    weights = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(weights, x):
        return torch.func.functional_call(layer, weights, (x,)).square().sum()

    each = torch.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    loss(dict(layer.named_parameters()), x).backward()
    for name, p in layer.named_parameters():
        torch.testing.assert_close(each[name].sum(0), p.grad)
    meta = FeedForward(4, 8, "gelu", device="meta")
    meta(torch.empty(3, 4, device="meta")).sum().backward()
    assert meta.linear2.weight.grad.shape == (4, 8)
