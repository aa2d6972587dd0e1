"""GPT-2, GPT-3, LLaMA: the papers' sizes, and the laws of a causal model with a cache."""

import copy

import pytest
import torch
import transformers as hf

from groundup import layers as L
from groundup.models.transformer_networks import GPT2, GPT3, GPT_SparseTransformerBlock, LLaMA1, LLaMA2
from groundup.models.transformer_networks.gpt import GPT_TransformerBlock
from parity import randomise, seeded_randn
from peak import kept
from rows.oracles.transformer import gpt2_config, llama_config

SIZES = {
    GPT2: (124_439_808, 354_823_168, 774_030_080, 1_557_611_200),
    GPT3: (
        *(125_226_240, 355_871_744, 760_300_032, 1_315_723_264),
        *(2_651_553_280, 6_658_404_352, 12_952_938_780, 174_604_259_328),
    ),
    LLaMA1: (6_738_415_616, 13_015_864_320, 32_528_943_616, 65_285_660_672),
    LLaMA2: (6_738_415_616, 13_015_864_320, 68_976_648_192),
}
TINY = {"vocab_size": 11, "context": 12, "embed_dim": 8, "num_layers": 3, "num_heads": 2}


def small(cls, dtype=torch.float64, **changes):
    options = TINY | ({"dropout": 0.0} if issubclass(cls, GPT2) else {}) | ({"window": 3} if cls is GPT3 else {})
    model = randomise(cls(**options | changes).to(dtype)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.4)
    return model


MODELS = [
    pytest.param(lambda: small(GPT2), id="GPT2"),
    pytest.param(lambda: small(GPT3), id="GPT3"),
    pytest.param(lambda: small(LLaMA1), id="LLaMA1"),
    pytest.param(lambda: small(LLaMA2, num_heads=4, num_kv_heads=2), id="LLaMA2"),
]
PADDED = [model for model in MODELS if model.id != "GPT3"]
tokens = torch.randint(0, 11, (3, 12), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    ("cls", "preset", "count"),
    [(cls, preset, count) for cls, counts in SIZES.items() for preset, count in zip(cls.presets, counts, strict=True)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_sizes(cls, preset, count):
    model = cls.preset(preset, device="meta")
    assert sum(p.numel() for p in model.parameters()) == count


def test_widths_and_heads_of_the_largest():
    """Gated widths, GPT-3's misprinted rows, and which LLaMA shares its keys (traps T23, T52, T54)."""
    for preset, width in {"7b": 11008, "13b": 13824, "33b": 17920, "65b": 22016}.items():
        assert LLaMA1.preset(preset, num_layers=1, device="meta").init_arguments["hidden_dim"] == width
    for preset, width, kv in (("7b", 11008, 32), ("13b", 13824, 40), ("70b", 28672, 8)):
        arguments = LLaMA2.preset(preset, num_layers=1, device="meta").init_arguments
        assert (arguments["hidden_dim"], arguments["num_kv_heads"]) == (width, kv)
    assert GPT3.preset("xl", num_layers=1, device="meta").blocks[0].self_attn.head_dim == 128
    one, two = (cls(num_layers=1, device="meta") for cls in (LLaMA1, LLaMA2))
    assert (one.norm.eps, one.context, two.norm.eps, two.context) == (1e-6, 2048, 1e-5, 4096)


def test_a_block_of_gpt_has_12_squares_and_13_times_the_width():
    assert sum(p.numel() for p in GPT_TransformerBlock(32, 4).parameters()) == 12 * 32**2 + 13 * 32


@pytest.mark.parametrize("make", MODELS)
def test_no_token_sees_the_future(make):
    """Every logit before a changed token is the same to the bit, wherever the change is."""
    model = make()
    before = model(tokens)
    for place in range(1, 12):
        changed = tokens.clone()
        changed[:, place:] = (changed[:, place:] + 3) % 11
        after = model(changed)
        torch.testing.assert_close(after[:, :place], before[:, :place], rtol=0, atol=1e-13)
        assert (after[:, place] - before[:, place]).abs().max() > 1e-6


@pytest.mark.parametrize("chunks", [[12], [1] * 12, [5, 1, 1, 4, 1], [2, 10]], ids=str)
@pytest.mark.parametrize("make", MODELS)
def test_cached_in_chunks_is_the_full_forward(make, chunks):
    model = make()
    state = model.begin(3)
    with torch.no_grad():
        parts = [model(part, state) for part in tokens.split(chunks, 1)]
        torch.testing.assert_close(torch.cat(parts, 1), model(tokens), rtol=0, atol=1e-10)
    assert state.length == 12
    with pytest.raises(ValueError, match="tokens must end within context=12, got 1 after 12"):
        model(tokens[:, :1], state)


@pytest.mark.parametrize("make", PADDED)
def test_rows_that_begin_with_padding_are_as_alone(make):
    model = make()
    padding = torch.tensor([0, 3, 5])
    rows = tokens[:, :8].clone()
    state = model.begin(3, padding=padding)
    with torch.no_grad():
        for b in range(3):
            rows[b, : padding[b]] = 7  # whatever: nothing looks there
        first, second = model(rows[:, :6], state), model(rows[:, 6:], state)
        together = torch.cat([first, second], 1)
        for b, n in enumerate(padding):
            torch.testing.assert_close(together[b : b + 1, n:], model(rows[b : b + 1, n:]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("make", MODELS)
def test_steps_of_reordered_rows(make):
    """As a beam does: rows dropped, doubled and swapped; each goes on with the past of the row it was."""
    model = make()
    state = model.begin(3)
    with torch.no_grad():
        model(tokens[:, :5], state)
        index = torch.tensor([2, 2, 0])
        for cache in state.caches:
            cache.reorder(index)
        logits, state = model.step(tokens[:, 5], state)
        whole = torch.cat([tokens[index, :5], tokens[:, 5:6]], 1)
        torch.testing.assert_close(logits, model(whole)[:, -1], rtol=0, atol=1e-10)


def test_rotary_models_know_only_distances():
    """Queries and keys turned from another place on give the same scores: all of a LLaMA's places may move together."""
    model = small(LLaMA1, context=64)
    with torch.no_grad():
        here = model(tokens)
        there = model.begin(3, padding=torch.zeros(3, dtype=torch.int64))
        torch.testing.assert_close(model(tokens, there), here, rtol=0, atol=1e-10)
        moved = copy.deepcopy(model)
        at = moved.rotary.at
        moved.rotary.at = lambda x, position: at(x, position + 40)
        torch.testing.assert_close(moved(tokens), here, rtol=0, atol=1e-10)


def test_a_gpt_knows_places():
    model = small(GPT2)
    same = torch.full((1, 6), 4)
    with torch.no_grad():
        logits = model(same)
    assert (logits[:, 1:] - logits[:, :-1]).abs().amin(1).max() > 1e-4


@pytest.mark.parametrize("make", MODELS)
def test_checkpointing_changes_nothing_but_memory(make):
    gradients = []
    for checkpointed in (False, True):
        model = make().train()
        model.gradient_checkpointing = checkpointed
        model(tokens).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, again in zip(*gradients):
        torch.testing.assert_close(plain, again)


@pytest.mark.parametrize("cls", [GPT2, LLaMA1])
def test_checkpointing_keeps_the_inputs_of_the_blocks_alone(cls):
    model = cls(vocab_size=11, context=64, embed_dim=32, num_layers=4, num_heads=2)
    long = torch.randint(0, 11, (4, 64))
    plain = kept(lambda: model(long, pre_logits=True))
    model.gradient_checkpointing = True
    assert model.gradient_checkpointing
    assert kept(lambda: model(long, pre_logits=True)) < 0.2 * plain


def test_checkpointing_leaves_a_state_alone():
    """A second run of a block would append its keys and values to the cache a second time."""
    model = small(GPT2).train()
    model.gradient_checkpointing = True
    state = model.begin(3)
    model(tokens[:, :5], state).sum().backward()
    assert [cache.length for cache in state.caches] == [5, 5, 5]


@pytest.mark.parametrize("heads", [4, 2])
def test_llama_is_hugging_faces_with_its_own_norms(heads):
    """In float32, as that library computes; tiny embeddings would show an eps outside of the root."""
    theirs = hf.LlamaForCausalLM(llama_config(num_key_value_heads=heads)).eval()
    ours = LLaMA1(11, 16, 8, 2, 4, heads, 12).eval()
    from groundup.weights import to_ours
    from groundup.weights.language_tables import llama_table

    ours.load_state_dict(to_ours(llama_table(False), theirs.state_dict(), ours.state_dict()))
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=1e-5, atol=1e-6)


def test_the_last_logits_of_a_full_context():
    theirs = hf.GPT2LMHeadModel(gpt2_config(n_positions=512)).double().eval()
    ours = GPT2(11, 512, 8, 2, 2, dropout=0.0).double().eval()
    from groundup.weights import to_ours
    from groundup.weights.language_tables import gpt2_table

    ours.load_state_dict(to_ours(gpt2_table(True), theirs.state_dict(), ours.state_dict()))
    long = torch.randint(0, 11, (1, 512))
    with torch.no_grad():
        torch.testing.assert_close(ours(long)[:, -1], theirs(long).logits[:, -1], rtol=0, atol=1e-10)


def test_banded_attention_is_gpt_neos():
    """GPT-Neo has no 1/√d, which we multiply into W_Q, and no biases; its window counts the token itself (trap T50).

    It scores in float32, whatever the type.
    """
    from transformers.models.gpt_neo.modeling_gpt_neo import GPTNeoBlock

    config = hf.GPTNeoConfig(
        hidden_size=8,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        window_size=3,
        intermediate_size=32,
        attention_dropout=0.0,
        resid_dropout=0.0,
    )
    config._attn_implementation = "eager"
    theirs = randomise(GPTNeoBlock(config, layer_id=1).double().eval())
    ours = GPT_SparseTransformerBlock(8, 2, 2, dropout=0.0).double().eval()
    state = theirs.state_dict()
    names = {
        "self_attn_norm": "ln_1",
        "feed_forward_norm": "ln_2",
        "self_attn.out_proj": "attn.attention.out_proj",
        "feed_forward.linear1": "mlp.c_fc",
        "feed_forward.linear2": "mlp.c_proj",
        **{f"self_attn.{p}": f"attn.attention.{p}" for p in ("q_proj", "k_proj", "v_proj")},
    }
    mine = {}
    for name, value in ours.state_dict().items():
        part, _, what = name.rpartition(".")
        mine[name] = state.get(f"{names[part]}.{what}", torch.zeros_like(value))
    mine["self_attn.q_proj.weight"] = mine["self_attn.q_proj.weight"] * 2.0  # √4
    ours.load_state_dict(mine)
    x = seeded_randn(2, 7, 8) / 3
    with torch.no_grad():
        expected = theirs(x)
        expected = expected[0] if isinstance(expected, tuple) else expected
        torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-5)


def test_every_block_of_gpt3_has_one_activation():
    """Seen in the wild: tanh GELU in dense blocks, erf GELU in sparse ones."""
    assert {block.feed_forward.activation for block in small(GPT3).blocks} == {"gelu_tanh"}
    kinds = [type(block.self_attn) for block in small(GPT3, num_layers=4).blocks]
    assert kinds == [L.MultiHeadAttention, L.SparseMultiHeadAttention] * 2


def test_initial_values():
    """Section 2.3: projections into the stream are scaled by 1/√(2 layers); for positions, see trap T51."""
    model = GPT2(1000, 500, 64, 8, 4)
    stds = {name: float(p.detach().std()) for name, p in model.named_parameters() if p.dim() > 1}
    for name, std in stds.items():
        last = name.endswith(("out_proj.weight", "linear2.weight"))
        expected = 0.01 if name.startswith("position") else 0.02 / 4 if last else 0.02
        assert std == pytest.approx(expected, rel=0.06), name
    assert all(not p.any() for name, p in model.named_parameters() if name.endswith("bias"))
    assert float(LLaMA1(1000, 16, 64, 1, 4).head.weight.detach().std()) == pytest.approx(0.02, rel=0.06)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_stays_low(dtype):
    """Seen in the wild: rotations that return float32 crash a float16 LLaMA."""
    for cls in (GPT2, LLaMA1):
        model = small(cls, dtype)
        state = model.begin(3)
        with torch.no_grad():
            assert model(tokens[:, :4], state).dtype == dtype
            assert model.step(tokens[:, 4], state)[0].dtype == dtype


def test_dropout_acts_in_training_only():
    model = small(GPT2, dropout=0.5)
    assert torch.equal(model(tokens), model(tokens))
    model.train()
    assert not torch.equal(model(tokens), model(tokens))
