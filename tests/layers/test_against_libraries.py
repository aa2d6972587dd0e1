"""Layers against torchvision, timm, transformers and PyTorch Geometric: outputs and gradients, weights carried over."""

import pytest
import torch

from groundup import layers as L
from parity import assert_same, randomise, run, seeded_randn

DOUBLE = torch.float64


def carried(ours, theirs, names):
    """Random weights in ours, the same in theirs: `names` gives our name for each of theirs; all are covered."""
    randomise(ours.to(DOUBLE))
    theirs.to(DOUBLE)
    state = ours.state_dict()
    parameters = dict(theirs.named_parameters())
    assert set(names) == set(parameters)
    assert set(names.values()) == {name for name, _ in ours.named_parameters()}
    with torch.no_grad():
        for name, source in names.items():
            parameters[name].copy_(state[source].view_as(parameters[name]))
    return ours, theirs


def assert_equal(ours, theirs, names, inputs, their_inputs=None):
    """Equal outputs, gradients to inputs and, under our names, to parameters."""
    carried(ours, theirs, names)
    actual, expected = run(ours, inputs, ours), run(theirs, their_inputs or inputs, theirs)
    shapes = {name: parameter.shape for name, parameter in ours.named_parameters()}
    expected.parameter_grads = {names[n]: g.view(shapes[names[n]]) for n, g in expected.parameter_grads.items()}
    expected.buffers = actual.buffers = {}
    assert_same(actual, expected, DOUBLE)


def same(*modules, tensors=("weight", "bias")):
    return {f"{module}.{tensor}": f"{module}.{tensor}" for module in modules for tensor in tensors}


# ---- squeeze and excitation -----------------------------------------------------------------------------------------


def test_se_gate_is_torchvisions():
    from torchvision.ops import SqueezeExcitation

    names = same("fc1", "fc2")
    assert_equal(L.SEGate(32, 16), SqueezeExcitation(32, 2), names, [seeded_randn(2, 32, 5, 4)])


def test_se_gate_is_timms():
    from timm.models.senet import SEModule

    assert_equal(L.SEGate(32, 16), SEModule(32, 16), same("fc1", "fc2"), [seeded_randn(2, 32, 5, 4)])


# ---- graphs ----


def a_graph(symmetric):
    """x (7, 5), a weighted adjacency of COO layout, and PyTorch Geometric's (edge_index, edge_weight) for it."""
    generator = torch.Generator().manual_seed(0)
    dense = (torch.rand(7, 7, generator=generator) < 0.35).double() * (
        1 + torch.rand(7, 7, generator=generator, dtype=DOUBLE)
    )
    dense.fill_diagonal_(0)
    dense[3] = dense[:, 3] = 0  # nobody's neighbour
    dense = dense + dense.T if symmetric else dense
    adjacency = dense.to_sparse()
    row, col = adjacency.indices()
    return seeded_randn(7, 5), adjacency, (torch.stack([col, row]), adjacency.values())


PYG_CELLS = [
    ("GCN_cell", "GCNConv", {}, {}, {"lin.weight": "lin.weight", "bias": "bias"}),
    (
        "GraphSAGE_cell",
        "SAGEConv",
        {"aggregation": "pool"},
        {"aggr": "max", "project": True},
        {"lin.weight": "lin.weight", "lin.bias": "lin.bias", **same("lin_l"), "lin_r.weight": "lin_r.weight"},
    ),
    (
        "GraphSAGE_cell",
        "SAGEConv",
        {"normalize": True},
        {"normalize": True},
        {**same("lin_l"), "lin_r.weight": "lin_r.weight"},
    ),
    ("GraphSAGE_cell", "SAGEConv", {}, {}, {**same("lin_l"), "lin_r.weight": "lin_r.weight"}),
    ("Graph_cell", "GraphConv", {}, {"aggr": "mean"}, {**same("lin_rel"), "lin_root.weight": "lin_root.weight"}),
]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("out_features", [3, 8])
@pytest.mark.parametrize(("ours", "theirs", "options", "their_options", "names"), PYG_CELLS)
def test_graph_cells_are_pytorch_geometrics(ours, theirs, options, their_options, names, out_features, symmetric):
    """Sparse and dense, directed and not; where theirs take weights, weighted."""
    import torch_geometric.nn as pyg

    x, adjacency, (edges, weight) = a_graph(symmetric)
    weighted = ours == "GCN_cell"
    if not weighted:  # SAGEConv takes no weights, and GraphConv multiplies by them after dividing by the number
        adjacency = torch.sparse_coo_tensor(
            adjacency.indices(), torch.ones_like(weight), (7, 7), check_invariants=False
        )
    extra = [edges, weight] if weighted else [edges]
    for graph in (adjacency, adjacency.to_dense()):
        cell, conv = (
            getattr(L, ours)(5, out_features, **options),
            getattr(pyg, theirs)(5, out_features, **their_options),
        )
        carried(cell, conv, names)
        actual = run(lambda h, cell=cell, graph=graph: cell(h, graph), [x], cell)
        expected = run(lambda h, conv=conv: conv(h, *extra), [x], conv)
        expected.parameter_grads = {names[n]: g for n, g in expected.parameter_grads.items()}
        assert_same(actual, expected, DOUBLE)


def test_diff_pool_is_pytorch_geometrics():
    """Of one graph without padding; of several, theirs takes one norm over all (stated where ours is defined)."""
    from torch_geometric.nn.dense import dense_diff_pool

    z, logits = seeded_randn(1, 6, 4), seeded_randn(1, 6, 3, seed=5)
    adjacency = seeded_randn(1, 6, 6, seed=4).abs()
    actual, expected = run(L.DiffPool(), [z, adjacency, logits]), run(dense_diff_pool, [z, adjacency, logits])
    assert_same(actual, expected, DOUBLE)


def test_add_pool_is_pytorch_geometrics():
    from torch_geometric.nn import global_add_pool

    x, index = seeded_randn(6, 3), torch.tensor([0, 2, 2, 0, 1, 2])
    pooled = run(lambda h: L.BatchAddPool()(h, index, 5), [x])
    assert_same(pooled, run(lambda h: global_add_pool(h, index, 5), [x]), DOUBLE)


# ---- attention and positions ----


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_window_attention_is_the_libraries(library):
    embed_dim, heads, size = 8, 2, 3
    ours = randomise(L.RelativeWindowAttention(embed_dim, heads, size)).to(DOUBLE)
    if library == "timm":
        from timm.models.swin_transformer import WindowAttention

        theirs = WindowAttention(embed_dim, heads, window_size=(size, size)).to(DOUBLE)
    else:
        from torchvision.models.swin_transformer import ShiftedWindowAttention

        theirs = ShiftedWindowAttention(embed_dim, [size, size], [0, 0], heads).to(DOUBLE)
    state = ours.state_dict()
    renamed = {
        "qkv.weight": torch.cat([state[f"attention.{n}_proj.weight"] for n in "qkv"]),
        "qkv.bias": torch.cat([state[f"attention.{n}_proj.bias"] for n in "qkv"]),
        "proj.weight": state["attention.out_proj.weight"],
        "proj.bias": state["attention.out_proj.bias"],
        "relative_position_bias_table": state["position_bias.table"],
    }
    unset = theirs.load_state_dict(renamed, strict=False)
    assert all("index" in name for name in unset.missing_keys)
    assert not unset.unexpected_keys
    x = seeded_randn(4, size * size, embed_dim)
    actual = run(ours, [x], ours)
    # torchvision's takes the whole map (N, H, W, C): here each is one window.
    shape = (4, size, size, embed_dim) if library == "torchvision" else x.shape
    expected = run(lambda h: theirs(h.view(shape)).view(x.shape), [x], theirs)
    assert_same(
        type(actual)(actual.outputs, actual.input_grads, {}, {}),
        type(expected)(expected.outputs, expected.input_grads, {}, {}),
        DOUBLE,
    )
    for name, expected_grad in expected.parameter_grads.items():
        if name.startswith("qkv"):
            part = name.removeprefix("qkv.")
            grad = torch.cat([actual.parameter_grads[f"attention.{n}_proj.{part}"] for n in "qkv"])
        elif name.startswith("proj"):
            grad = actual.parameter_grads[f"attention.out_{name}"]
        else:
            grad = actual.parameter_grads["position_bias.table"]
        torch.testing.assert_close(grad, expected_grad, rtol=0, atol=1e-10)


def test_grouped_query_attention_is_llamas():
    """With rotary positions and a causal mask: LlamaAttention in eager mode."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

    config = LlamaConfig(hidden_size=16, num_attention_heads=4, num_key_value_heads=2, attention_bias=False)
    config._attn_implementation = "sdpa"
    theirs = LlamaAttention(config, layer_idx=0)
    ours = L.GroupedQueryAttention(16, 4, 2, bias=False)
    names = {f"{n}_proj.weight": f"{n}_proj.weight" for n in "qkv"} | {"o_proj.weight": "out_proj.weight"}
    carried(ours, theirs, names)
    x, rotary = seeded_randn(2, 7, 16), L.RotaryEncoding(4, 16)
    angles = LlamaRotaryEmbedding(config)
    cos_sin = angles(x, torch.arange(7)[None])
    bias = torch.full((7, 7), -torch.inf, dtype=DOUBLE).triu(1)[None, None]
    actual = run(lambda h: ours(h, is_causal=True, rotary=rotary), [x], ours)
    expected = run(lambda h: theirs(h, position_embeddings=cos_sin, attention_mask=bias)[0], [x], theirs)
    expected.parameter_grads = {names[n]: g for n, g in expected.parameter_grads.items()}
    # Their angles are float32: a dtype's rounding, not ours.
    assert_same(actual, expected, DOUBLE, tolerance=1e-6)


@pytest.mark.parametrize("kv_heads", [1, 4])
def test_cache_is_transformers(kv_heads, measured):
    from transformers import DynamicCache

    ours, theirs = L.KVCache(2, kv_heads, 9, 3, dtype=DOUBLE), DynamicCache()
    for step, tokens in enumerate((4, 1, 3, 1)):
        k, v = seeded_randn(2, kv_heads, tokens, 3, seed=step), seeded_randn(2, kv_heads, tokens, 3, seed=step + 9)
        for a, b in zip(ours.update(k, v), theirs.update(k, v, 0)):
            assert torch.equal(a, b)
    measured("KVCache", DOUBLE, {"outputs": 0.0})


def test_sinusoids_are_transformers():
    from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings

    expected = torch.nn.Parameter(torch.empty(50, 8))
    create_sinusoidal_embeddings(50, 8, expected)
    ours = L.PositionalEncoding(8, 50)(torch.zeros(1, 50, 8))[0]
    torch.testing.assert_close(ours, expected.detach(), rtol=0, atol=1e-6)


# ---- activations and norms ----


@pytest.mark.parametrize(("name", "approximate"), [("gelu", "none"), ("gelu_new", "tanh")])
def test_gelu_is_transformers(name, approximate):
    from transformers.activations import ACT2FN

    x = seeded_randn(3, 40) * 3
    assert_same(run(L.GELU(approximate), [x]), run(ACT2FN[name], [x]), DOUBLE)


def test_swiglu_is_llamas_without_its_last_projection():
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    theirs = LlamaMLP(LlamaConfig(hidden_size=6, intermediate_size=10, num_attention_heads=2))
    theirs.down_proj = torch.nn.Identity()
    names = {"gate_proj.weight": "gate_proj.weight", "up_proj.weight": "up_proj.weight"}
    assert_equal(L.SwiGLU(6, 10), theirs, names, [seeded_randn(2, 3, 6)])


def test_rms_norm_is_llamas():
    """Where it matters most: activations as small as the square root of eps."""
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    ours, theirs = L.RMSNorm(16, eps=1e-5), LlamaRMSNorm(16, eps=1e-5)
    randomise(ours)
    theirs.load_state_dict(ours.state_dict())
    for scale in (1.0, 1e-3):
        x = scale * seeded_randn(3, 16, dtype=torch.float32)
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)
