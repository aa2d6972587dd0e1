"""The Transformer of 2017: its sizes, and the laws of an encoder and a decoder."""

import pytest
import torch
from torch import nn

from groundup import layers as L
from groundup.models.transformer_networks import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from parity import randomise, seeded_randn

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")

TINY = {"d_model": 8, "nhead": 2, "num_encoder_layers": 2, "num_decoder_layers": 2, "dim_feedforward": 12}


def small(**changes):
    model = randomise(Transformer(11, **{**TINY, "dropout": 0.0, **changes}).double()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    return model


source = torch.tensor([[3, 4, 5, 6, 1], [7, 8, 1, 0, 0], [2, 1, 0, 0, 0]])
target = torch.tensor([[2, 5, 9, 1], [2, 7, 1, 0], [2, 6, 4, 1]])


@pytest.mark.parametrize(
    ("preset", "count"),
    [("base", 63_082_496), ("base_without_attention_bias", 63_045_632), ("big", 214_245_376)],
)
def test_sizes(preset, count):
    assert sum(p.numel() for p in Transformer.preset(preset, device="meta").parameters()) == count


def test_pytorchs_has_two_norms_more():
    """nn.Transformer ends both stacks with a norm even in post-norm; the paper does not (trap T47)."""
    with torch.device("meta"):
        theirs = sum(p.numel() for p in nn.Transformer(512, 8, 6, 6, 2048).parameters())
    assert theirs - (63_082_496 - 37000 * 512) == 2 * 2 * 512
    assert small().encoder.norm is None
    assert isinstance(small(norm_first=True).encoder.norm, L.LayerNorm)


@pytest.mark.parametrize("norm_first", [False, True])
def test_padding_changes_nothing(norm_first):
    model = small(norm_first=norm_first)
    with torch.no_grad():
        together = model(source, target)
        for b, (s, t) in enumerate(((5, 4), (3, 3), (2, 4))):
            alone = model(source[b : b + 1, :s], target[b : b + 1, :t])
            torch.testing.assert_close(together[b : b + 1, :t], alone, rtol=0, atol=1e-10)


def test_lengths_say_what_padding_says():
    model, lengths = small(), torch.tensor([5, 3, 2])
    with torch.no_grad():
        torch.testing.assert_close(model(source, target, lengths), model(source, target), rtol=0, atol=1e-13)
        one, two = model.begin(source, lengths), model.begin(source)
        torch.testing.assert_close(model.step(target[:, 0], one)[0], model.step(target[:, 0], two)[0])


def test_a_source_of_padding_alone_gives_numbers():
    model = small().train()
    logits = model(torch.zeros_like(source), target)
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_the_target_does_not_see_its_future():
    model = small()
    with torch.no_grad():
        before = model(source, target)
        for place in range(1, 4):
            changed = target.clone()
            changed[:, place:] = 9 - changed[:, place:] % 5
            torch.testing.assert_close(model(source, changed)[:, :place], before[:, :place], rtol=0, atol=1e-13)


@pytest.mark.parametrize("norm_first", [False, True])
def test_steps_are_the_forward(norm_first):
    """Positions included, which a decoder's step is seen to forget in the wild; and the memory is projected once."""
    model = small(norm_first=norm_first)
    with torch.no_grad():
        whole, state = model(source, target), model.begin(source, max_len=4)
        for t in range(4):
            logits, state = model.step(target[:, t], state)
            torch.testing.assert_close(logits, whole[:, t], rtol=0, atol=1e-10)
    assert state.length == 4
    assert all(cache.length == 5 for cache in state.memory_caches)


def test_hypotheses_share_nothing_they_change():
    """Seen in the wild: a step that changes the cache it was given, and with it the other hypotheses of a beam."""
    from groundup.generation import reorder

    model = small()
    with torch.no_grad():
        _, state = model.step(target[:, 0], model.begin(source, max_len=4))
        index = torch.tensor([0, 0, 1, 2])
        state = reorder(state, index)
        logits, state = model.step(torch.tensor([5, 6, 7, 8]), state)
        logits, state = model.step(torch.tensor([1, 2, 3, 4]), state)
        prefix = torch.tensor([[2, 5, 1], [2, 6, 2], [2, 7, 3], [2, 8, 4]])
        torch.testing.assert_close(logits, model(source[index], prefix)[:, -1], rtol=0, atol=1e-10)


def test_embeddings_are_scaled_and_tied():
    """√E scales the input embeddings, not the scores; one table for both languages, or two (traps T29, T48)."""
    model = small()
    assert model.embed("source", source, model.embedding).shape == (3, 5, 8)
    plain = model.positions(model.embedding(source) * 8**0.5)
    torch.testing.assert_close(model.embed("source", source, model.embedding), plain)
    x = seeded_randn(2, 3, 8)
    torch.testing.assert_close(model.head(x), x @ model.embedding.weight.T)
    assert "target_embedding.weight" not in model.state_dict()
    assert small(target_vocab_size=7)(source, target.clamp(max=6)).shape == (3, 4, 7)
    drawn = Transformer(500, d_model=64, nhead=2, num_encoder_layers=1, num_decoder_layers=1)
    assert float(drawn.embedding.weight.detach().std()) == pytest.approx(1 / 8, rel=0.03)


def test_initial_values_follow_from_the_seed():
    """Two tables were once drawn in the order of a set, which changes from process to process."""
    drawn = []
    for _ in range(8):
        torch.manual_seed(0)
        drawn.append(Transformer(11, target_vocab_size=7, **TINY).embedding.weight)
    assert all(torch.equal(one, drawn[0]) for one in drawn)


@pytest.mark.parametrize("norm_first", [False, True])
def test_whole_stacks_load_pytorchs_state(norm_first):
    theirs = randomise(nn.Transformer(8, 2, 2, 2, 12, 0.0, norm_first=norm_first, batch_first=True).double()).eval()
    encoder_layer = TransformerEncoderLayer(8, 2, 12, 0.0, norm_first=norm_first)
    decoder_layer = TransformerDecoderLayer(8, 2, 12, 0.0, norm_first=norm_first)
    ours = nn.ModuleDict(
        {
            "encoder": TransformerEncoder(encoder_layer, 2, L.LayerNorm(8)),
            "decoder": TransformerDecoder(decoder_layer, 2, L.LayerNorm(8)),
        }
    ).double()
    ours.load_state_dict(theirs.state_dict())
    src, tgt = seeded_randn(2, 5, 8), seeded_randn(2, 4, 8, seed=3)
    with torch.no_grad():
        expected = theirs(src, tgt, tgt_mask=torch.ones(4, 4, dtype=torch.bool).triu(1))
        torch.testing.assert_close(ours["decoder"](tgt, ours["encoder"](src)), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("decoder", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_constructor_by_place_means_what_pytorchs_does(decoder, norm_first):
    """PyTorch's seventh place is batch_first; norm_first stood there, and a layer became pre-norm in silence."""
    name = "TransformerDecoderLayer" if decoder else "TransformerEncoderLayer"
    places = (8, 2, 12, 0.0, nn.functional.gelu, 1e-5, True, norm_first, False, "cpu", torch.float64)
    theirs = randomise(getattr(nn, name)(*places)).eval()
    ours = (TransformerDecoderLayer if decoder else TransformerEncoderLayer)(*places).eval()
    ours.load_state_dict(theirs.state_dict())
    x = seeded_randn(2, 5, 8)
    hidden = torch.ones(5, 5, dtype=torch.bool).triu(1)
    with torch.no_grad():
        expected = theirs(x, x, hidden) if decoder else theirs(x, hidden)
        found = ours(x, x, ~hidden) if decoder else ours(x, ~hidden)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        *[(f, "relu") for f in (torch.relu, nn.functional.relu, nn.ReLU())],
        *[(f, "gelu") for f in (nn.functional.gelu, nn.GELU())],
        (nn.GELU("tanh"), "gelu_tanh"),
        *[(f, "silu") for f in (nn.functional.silu, nn.SiLU())],
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),  # str() of a function is its address
)
def test_activations_of_pytorchs(activation, name):
    assert TransformerEncoderLayer(8, 2, 12, activation=activation).feed_forward.activation == name


def test_layers_of_a_stack_begin_differently():
    stack = TransformerEncoder(TransformerEncoderLayer(8, 2, 12), 2)
    one, two = (layer.feed_forward.linear1.weight for layer in stack.layers)
    assert not torch.equal(one, two)


def test_padding_of_an_encoder_does_not_reach_words():
    """PyTorch's fast path writes zeros at padded positions; here no word attends to them (traps T25, T46)."""
    encoder = randomise(TransformerEncoder(TransformerEncoderLayer(8, 2, 12, 0.0), 2).double()).eval()
    x, real = seeded_randn(2, 5, 8), torch.tensor([[True] * 5, [True, True, False, False, False]])
    with torch.no_grad():
        y = encoder(x, real[:, None, None])
        torch.testing.assert_close(y[1:, :2], encoder(x[1:, :2]), rtol=0, atol=1e-10)


def test_marian_is_the_same_network():
    """Marian puts sines before cosines, we alternate them, so it is given ours; its layers are post-norm (trap T29)."""
    import transformers as hf

    from groundup.functional import sinusoids

    config = hf.MarianConfig(
        vocab_size=11,
        d_model=8,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=12,
        decoder_ffn_dim=12,
        activation_function="relu",
        scale_embedding=True,
        max_position_embeddings=16,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
        dropout=0.0,
    )
    theirs = hf.MarianMTModel(config).double().eval()
    for stack in (theirs.model.encoder, theirs.model.decoder):
        stack.embed_positions.weight.data = sinusoids(torch.arange(16), 8)
    parts = {
        "self_attn": "self_attn",
        "encoder_attn": "cross_attn",
        "self_attn_layer_norm": "self_attn_norm",
        "encoder_attn_layer_norm": "cross_attn_norm",
        "final_layer_norm": "feed_forward_norm",
        "fc1": "feed_forward.linear1",
        "fc2": "feed_forward.linear2",
    }
    ours = Transformer(11, **TINY, dropout=0.0).double().eval()
    state = {"embedding.weight": theirs.model.shared.weight.detach()}
    for name, value in randomise(theirs).state_dict().items():
        pieces = name.split(".")
        if "layers" in pieces:
            rest = ".".join([parts[pieces[4]], *pieces[5:]])
            state[f"{pieces[1]}.layers.{pieces[3]}.{rest}"] = value
    ours.load_state_dict({k: v * 0.5 for k, v in state.items()})
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.mul_(0.5)
        for stack in (theirs.model.encoder, theirs.model.decoder):
            stack.embed_positions.weight.data = sinusoids(torch.arange(16), 8)
        theirs.final_logits_bias.zero_()
        expected = theirs(source, attention_mask=(source != 0).long(), decoder_input_ids=target).logits
        torch.testing.assert_close(ours(source, target), expected, rtol=0, atol=1e-9)
