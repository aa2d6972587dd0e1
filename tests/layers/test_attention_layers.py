"""What the sweeps cannot know of the attention layers: masks, modes, PyTorch's own states, and what they keep."""

import gc
import weakref

import pytest
import torch
from torch import nn

from groundup import UnsupportedCall, backend
from groundup import layers as L
from groundup.layers.multi_head_attention import torch_state
from parity import assert_same, randomise, run, seeded_randn
from rows.oracles.attention import TorchMultiHead

BODIES = pytest.mark.parametrize("mode", ["reference", "auto"])


def mha(*arguments, **options):
    return randomise(L.MultiHeadAttention(*arguments, **options)).double().eval()


def torch_twin(layer, *arguments, **options):
    theirs = TorchMultiHead(*arguments, **options).double().eval()
    theirs.load_state_dict(torch_state(layer.state_dict()), strict=True)
    return theirs


@BODIES
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("shape", [None, (5, 5), (3, 1, 1, 5), (3, 1, 5, 5), (3, 2, 5, 5)], ids=str)
@pytest.mark.parametrize("kind", [torch.bool, torch.float64], ids=str)
def test_masks_against_pytorch(shape, kind, is_causal, mode):
    """In a boolean mask, True allows attention here and forbids it in nn.MultiheadAttention (trap T24)."""
    ours, x = mha(8, 2), seeded_randn(3, 5, 8)
    allowed = torch.ones(3, 2, 5, 5, dtype=torch.bool)
    mask = None
    if shape is not None:
        mask = seeded_randn(*shape, seed=5)
        if kind == torch.bool:
            mask = (mask > -0.7) | (torch.arange(5) == 0)
    full = torch.zeros(3, 2, 5, 5, dtype=torch.float64)
    if mask is not None:
        full = full.masked_fill(~mask, -torch.inf) if kind == torch.bool else full + mask
    if is_causal:
        full = full.masked_fill(~allowed.tril(), -torch.inf)
    theirs = torch_twin(ours, 8, 2)
    with backend(mode):
        actual = run(lambda a: ours(a, mask=mask, is_causal=is_causal), [x], ours)
    expected = run(lambda a: theirs(a, attn_mask=full.flatten(0, 1)), [x], theirs)
    actual.parameter_grads = torch_state(actual.parameter_grads)
    assert_same(actual, expected, torch.float64)


def test_weights_of_every_head():
    """(B, H, T, S), where PyTorch's come averaged over the heads by default; the output is the same."""
    ours, x = mha(8, 2), seeded_randn(3, 5, 8)
    theirs = torch_twin(ours, 8, 2)
    y, weights = ours(x, need_weights=True)
    _, expected = nn.MultiheadAttention.forward(theirs, x, x, x, average_attn_weights=False)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(y, ours(x), rtol=0, atol=1e-12)
    with backend("fused"), pytest.raises(UnsupportedCall, match="need_weights"):
        ours(x, need_weights=True)


@pytest.mark.parametrize("need_weights", [False, True])
@BODIES
def test_an_all_padded_sample_is_zero_before_the_last_projection(mode, need_weights):
    """PyTorch's layer gives NaN with need_weights=True."""
    layer, x = mha(8, 2), seeded_randn(2, 5, 8).requires_grad_()
    padded = torch.tensor([[True] * 5, [False] * 5]).view(2, 1, 1, 5)
    with backend(mode):
        y = layer(x, mask=padded, need_weights=need_weights)
    y = y[0] if need_weights else y
    torch.testing.assert_close(y[1], layer.out_proj.bias.expand(5, 8), rtol=0, atol=1e-12)
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert (grad[1] == 0).all()
    assert grad.isfinite().all()


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"kdim": 6, "vdim": 6}, {"kdim": 6, "vdim": 4}], ids=str)
def test_pytorch_states_load_and_come_back(options):
    theirs = randomise(nn.MultiheadAttention(8, 2, **options))
    ours = L.MultiHeadAttention(8, 2, **options)
    state = theirs.state_dict()
    ours.load_state_dict(state, strict=True)
    assert state.keys() == theirs.state_dict().keys()  # what was passed in is not changed
    back = torch_state(ours.state_dict())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_pytorch_states_load_inside_a_model():
    """Under a prefix, and with what is missing or left over still reported by name."""
    theirs = randomise(nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2), "other": nn.Linear(2, 2)}))
    ours = nn.ModuleDict({"attention": L.MultiHeadAttention(8, 2), "other": nn.Linear(2, 2)})
    ours.load_state_dict(theirs.state_dict(), strict=True)
    back = torch_state(ours.state_dict(), "attention.")
    assert all(torch.equal(back[name], value) for name, value in theirs.state_dict().items())
    for change, message in (
        ({"attention.in_proj_weight": torch.zeros(21, 8)}, "size mismatch for attention.q_proj.weight"),
        ({"attention.bias_k": torch.zeros(1, 1, 8)}, "attention.bias_k"),
    ):
        with pytest.raises(RuntimeError, match=message):
            ours.load_state_dict({**theirs.state_dict(), **change})
    short = {k: v for k, v in theirs.state_dict().items() if "in_proj_bias" not in k}
    with pytest.raises(RuntimeError, match=r"attention\.q_proj\.bias"):
        ours.load_state_dict(short)


def test_how_they_begin():
    """As PyTorch's: ±√(6 / 4E) for the three of one packed matrix, zeros for biases; 4E² + 4E parameters."""
    torch.manual_seed(0)
    ours, theirs = L.MultiHeadAttention(64, 4), nn.MultiheadAttention(64, 4)
    assert sum(p.numel() for p in ours.parameters()) == 4 * 64**2 + 4 * 64
    bound = (6 / (4 * 64)) ** 0.5
    for weight in (ours.q_proj.weight, ours.k_proj.weight, ours.v_proj.weight, theirs.in_proj_weight):
        assert 0.98 * bound < weight.abs().max().item() <= bound
    assert all((p == 0).all() for name, p in ours.named_parameters() if "bias" in name)


def test_groups_between_multi_head_and_multi_query():
    """G = H is MultiHeadAttention; G = 1 gives every head the same keys; the parameters of G heads."""
    x = seeded_randn(2, 5, 16)
    ours = mha(16, 4)
    grouped = L.GroupedQueryAttention(16, 4, 4).double().eval()
    grouped.load_state_dict(ours.state_dict(), strict=True)
    assert torch.equal(ours(x), grouped(x))

    single = randomise(L.GroupedQueryAttention(16, 4, 1)).double().eval()
    repeated = L.MultiHeadAttention(16, 4).double().eval()
    state = {k: v.repeat(4, *[1] * (v.dim() - 1)) if k[0] in "kv" else v for k, v in single.state_dict().items()}
    repeated.load_state_dict(state, strict=True)
    torch.testing.assert_close(single(x), repeated(x), rtol=0, atol=1e-12)
    assert single.k_proj.weight.shape == (4, 16)


@BODIES
def test_dropout_is_on_while_training_and_off_otherwise(mode):
    """T: a flash path that ignores dropout; and the mode decides, not whether gradients are on."""
    layer, x = L.MultiHeadAttention(8, 2, dropout=0.5), torch.randn(2, 6, 8)
    with backend(mode), torch.no_grad():
        assert not torch.equal(layer.train()(x), layer(x))
        assert torch.equal(layer.eval()(x), layer(x))
        for part in (L.DotProductAttention(dropout=0.5), L.DiagBlockAttention(3, dropout=0.5)):
            q = torch.randn(1, 2, 9, 4)
            assert not torch.equal(part.train()(q, q, q), part(q, q, q))
            assert torch.equal(part.eval()(q, q, q), part(q, q, q))


def test_weights_are_not_kept():
    """Nothing of a call lives on in the layer: no matrix, and no graph after the backward pass."""
    layer, x = L.MultiHeadAttention(8, 2), torch.randn(2, 6, 8)
    before = set(vars(layer))
    y, weights = layer(x, need_weights=True)
    y.sum().backward()
    assert set(vars(layer)) == before
    held = weakref.ref(weights)
    del y, weights
    gc.collect()
    assert held() is None


def test_keys_that_are_masked_get_no_gradient():
    layer = randomise(L.AdditiveAttention(3, 4, 5)).double()
    query, key = seeded_randn(2, 3, 3), seeded_randn(2, 5, 4).requires_grad_()
    mask = torch.tensor([True, True, False, True, False]).view(1, 1, 5)
    y, weights = layer(query, key, key, mask, need_weights=True)
    (grad,) = torch.autograd.grad(y.square().sum(), key)
    assert (weights[..., [2, 4]] == 0).all()
    assert (grad[:, [2, 4]] == 0).all()
    assert {name for name, _ in layer.named_parameters()} == {"query_proj.weight", "key_proj.weight", "v"}  # no biases


@pytest.mark.usefixtures("untyped")
@BODIES
def test_compiles_whole_with_masks_and_rotations(mode):
    torch._dynamo.reset()
    layer, rotary = mha(8, 2), L.RotaryEncoding(4, 16)
    x, mask = seeded_randn(2, 5, 8), (torch.arange(5) < 4).view(1, 1, 1, 5).expand(2, 1, 1, 5)
    with backend(mode):
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        expected = run(lambda a: layer(a, mask=mask, is_causal=True, rotary=rotary), [x], layer)
        actual = run(lambda a: compiled(a, mask=mask, is_causal=True, rotary=rotary), [x], layer)
    assert_same(actual, expected, torch.float64)


def test_what_they_print():
    assert repr(L.MultiHeadAttention(8, 2)).startswith("MultiHeadAttention(\n  8, num_heads=2, dropout=0.0\n")
    assert "num_kv_heads=1" in repr(L.GroupedQueryAttention(8, 2, 1))
    assert "block_size=4, columns=1, pattern='fixed', combine='merged'" in repr(L.SparseMultiHeadAttention(8, 2, 4))
    assert repr(L.DiagBlockAttention(4)) == "DiagBlockAttention(block_size=4, dropout=0.0)"
    assert repr(L.ColumnBlockAttention(4, 2)) == "ColumnBlockAttention(block_size=4, columns=2, dropout=0.0)"
    assert repr(L.KVCache(1, 2, 3, 4)) == "KVCache(1, 2, 3, 4, length=0, dtype=torch.float32)"
    assert repr(L.RotaryEncoding(4, 8)) == "RotaryEncoding(4, max_len=8, base=10000.0, interleaved=False)"
