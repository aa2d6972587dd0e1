"""Rows: the Transformer of 2017; tiny."""

import torch
from torch import nn

from groundup import layers as L
from groundup.models import transformer_networks as M
from rows.kit import Case, bad_inputs, draw_each, label
from rows.oracles.transformer import Decoder as TorchDecoder
from rows.oracles.transformer import DecoderLayer, EncoderLayer, TorchTransformer, to_torch


def tokens(*lengths, vocab=11, padded=()):
    """Batches of tokens; of those whose place is in `padded`, the last two of row 0 are padding, 0."""

    def make(batch=2, dtype=None):
        generator = torch.Generator().manual_seed(2)
        made = [torch.randint(1, vocab, (2, n), generator=generator) for n in lengths]
        for place in padded:
            made[place][0, -2:] = 0
        return tuple(x[:batch] for x in made)

    return make


#: A block's outputs and gradients have the rounding of all its parts, and a key's bias has no gradient but that.
BLOCK = {"gain": 0.4, "tolerance": {torch.bfloat16: 0.1}, "deep": True}
GELU = (8, 2, 12, 0.0, "gelu")
TORCH = [{"norm_first": False, "activation": "relu"}, {"norm_first": True, "activation": "gelu"}]
TINY_TORCH = {"d_model": 8, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "dim_feedforward": 12}

CASES = [
    *[
        Case(
            "TransformerEncoderLayer",
            label(**options),
            lambda o=options: M.TransformerEncoderLayer(8, 2, 12, 0.0, **o),
            draw_each((5, 8)),
            lambda o=options: EncoderLayer(8, 2, 12, 0.0, **o),
            transfer=to_torch,
            **BLOCK,
        )
        for options in TORCH
    ],
    Case(
        "TransformerEncoderLayer",
        "dropout,no biases",
        lambda: M.TransformerEncoderLayer(8, 2, 12, 0.5, bias=False),
        draw_each((5, 8)),
        random=True,
    ),
    *[
        Case(
            "TransformerEncoder",
            f"layers={depth}",
            lambda d=depth: M.TransformerEncoder(M.TransformerEncoderLayer(*GELU, norm_first=True), d, L.LayerNorm(8)),
            draw_each((5, 8)),
            lambda d=depth: nn.TransformerEncoder(
                EncoderLayer(*GELU, norm_first=True), d, nn.LayerNorm(8), enable_nested_tensor=False
            ),
            transfer=to_torch,
            **BLOCK,
        )
        for depth in (1, 2)
    ],
    *[
        Case(
            "TransformerDecoderLayer",
            label(**options),
            lambda o=options: M.TransformerDecoderLayer(8, 2, 12, 0.0, **o),
            draw_each((5, 8), (3, 8)),
            lambda o=options: DecoderLayer(8, 2, 12, 0.0, **o),
            transfer=to_torch,
            **BLOCK,
        )
        for options in TORCH
    ],
    *[
        Case(
            "TransformerDecoder",
            f"layers={depth}",
            lambda d=depth: M.TransformerDecoder(M.TransformerDecoderLayer(*GELU, norm_first=True), d, L.LayerNorm(8)),
            draw_each((5, 8), (3, 8)),
            lambda d=depth: TorchDecoder(DecoderLayer(*GELU, norm_first=True), d, nn.LayerNorm(8)),
            transfer=to_torch,
            **BLOCK,
        )
        for depth in (1, 2)
    ],
    *[
        Case(
            "Transformer",
            label(norm_first=norm_first, target=target),
            lambda n=norm_first, t=target: M.Transformer(11, t, norm_first=n, dropout=0.0, max_len=16, **TINY_TORCH),
            tokens(6, 5, padded=(0, 1)),
            lambda n=norm_first, t=target: TorchTransformer(11, t, norm_first=n),
            transfer=to_torch,
            **BLOCK,
            differentiable=False,
        )
        for norm_first, target in ((False, None), (True, 13))
    ],
]

REQUIRED = {"TransformerEncoderLayer": (8, 2), "TransformerDecoderLayer": (8, 2), "Transformer": (11,)}

x, ids = torch.ones(2, 5, 8), torch.ones(2, 5, dtype=torch.int64)
encoder_layer, decoder_layer = M.TransformerEncoderLayer(8, 2, 12), M.TransformerDecoderLayer(8, 2, 12)
translator = M.Transformer(11, **TINY_TORCH, max_len=16)

BAD_INPUTS = bad_inputs(
    TransformerEncoderLayer=[
        (lambda: M.TransformerEncoderLayer(9, 2), "embed_dim must be divisible by"),
        (lambda: M.TransformerEncoderLayer(8, 2, activation="swish"), "activation must be one of 'relu', 'gelu'"),
        (
            lambda: M.TransformerEncoderLayer(8, 2, activation=nn.Tanh()),
            "activation must be one of 'relu', 'gelu', 'gelu_tanh', 'silu', got Tanh()",
        ),
        (lambda: encoder_layer(x[0]), "src must have shape (B, places, d_model)"),
        (lambda: encoder_layer(x.long()), "TypeError: src must be a floating-point tensor"),
        (
            lambda: encoder_layer(x, torch.ones(2, 5, 5, dtype=torch.bool)),
            "mask must have shape (5, 5) (queries, keys)",
        ),
    ],
    TransformerEncoder=[(lambda: M.TransformerEncoder(encoder_layer, 0), "num_layers must be at least 1")],
    TransformerDecoderLayer=[
        (lambda: decoder_layer(x, x[..., :4]), "memory must have 8 features"),
        (lambda: decoder_layer(x, x[:1]), "key must have 2 samples"),
    ],
    TransformerDecoder=[
        (lambda: M.TransformerDecoder(decoder_layer, True), "TypeError: num_layers must be an int"),
        (lambda: translator.decoder.begin(x[0], 3), "memory must have shape (B, places"),
    ],
    Transformer=[
        (lambda: translator(ids, ids + 10), "target must lie in [0, 10], the vocabulary being"),
        (lambda: translator(ids.float(), ids), "TypeError: source must be int64 or int32"),
        (lambda: translator(ids[0], ids), "source must have shape (B, tokens)"),
        (lambda: M.Transformer(11, pad_id=0.5), "TypeError: pad_id must be an int, got 0.5 (float)"),
        (lambda: M.Transformer(11, pad_id=-1), "pad_id must be at least 0, got -1"),
        (lambda: M.Transformer(11, pad_id=11), "pad_id must lie in a vocabulary of 11, got 11"),
    ],
)
BAD_INPUTS += [
    *[
        (kind.__name__, lambda k=kind: k(8, 2, 12, 0.0, "relu", 1e-5, False), ValueError, "batch_first must be True")
        for kind in (M.TransformerEncoderLayer, M.TransformerDecoderLayer)
    ],
    *[
        ("Transformer", lambda s=source, n=lengths: translator.encode(s, n), error, words)
        for source, lengths, error, words in (
            (ids, torch.tensor([5]), ValueError, "lengths must have shape (2,), one for each sequence, got (1,)"),
            (
                ids,
                torch.tensor([[5, 5]]),
                ValueError,
                "lengths must have shape (2,), one for each sequence, got (1, 2)",
            ),
            (ids, torch.tensor([5, 6]), ValueError, "lengths must lie in [0, 5], got 6"),
            (ids, torch.tensor([5, -1]), ValueError, "lengths must lie in [0, 5], got -1"),
            (ids, torch.tensor([5.0, 2.0]), TypeError, "lengths must be int64 or int32, got torch.float32"),
            (ids, [5, 2], TypeError, "lengths must be a torch.Tensor, got list"),
            (ids[0], torch.tensor([5, 2]), ValueError, "source must have shape (B, tokens)"),
        )
    ],
]
