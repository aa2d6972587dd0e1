"""Rows: the Transformer of 2017, GPT-2 and 3, LLaMA; tiny."""

import torch
from torch import nn

from groundup import functional as G
from groundup import layers as L
from groundup.models import transformer_networks as M
from groundup.weights import Row
from groundup.weights.language_tables import gpt2_table, llama_table
from rows.kit import Case, label, randn, seeded_randn, simple
from rows.oracles.residual import speaking
from rows.oracles.transformer import Decoder as TorchDecoder
from rows.oracles.transformer import (
    DecoderLayer,
    EncoderLayer,
    GPTBlock,
    LlamaBlock,
    SparseGPT2,
    TorchTransformer,
    gpt2,
    llama,
    pattern,
    to_torch,
)


def several(*shapes):
    return lambda batch=2, dtype=torch.float64: tuple(
        seeded_randn(batch, *shape, dtype=dtype, seed=2 + i) for i, shape in enumerate(shapes)
    )


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


class Turning(M.LLaMA_TransformerBlock):
    """The block, given its rotations."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.turn = L.RotaryEncoding(self.self_attn.head_dim, 8)

    def forward(self, x):
        return super().forward(x, self.turn)


_BLOCK_OF_GPT2 = tuple(
    Row(row.theirs.removeprefix("h.{i}."), _ours, row.to_ours, row.to_theirs)
    for row in gpt2_table(True)
    if isinstance(row, Row) and row.theirs.startswith("h.{i}.")
    for _ours in [
        row.ours.removeprefix("blocks.{i}.")
        if isinstance(row.ours, str)
        else tuple(name.removeprefix("blocks.{i}.") for name in row.ours)
    ]
)
_BLOCK_OF_LLAMA = tuple(
    Row(row.theirs.removeprefix("model.layers.{i}."), row.ours.removeprefix("blocks.{i}."))
    for row in llama_table(True)
    if isinstance(row, Row) and row.theirs.startswith("model.layers.{i}.")
)
_SPARSE = (
    Row("wte", "token_embedding"),
    Row("wpe", "position_embedding"),
    *(
        Row(f"h.{{i}}.{row.theirs}", tuple(f"blocks.{{i}}.{n}" for n in row.targets), row.to_ours, row.to_theirs)
        for row in _BLOCK_OF_GPT2
    ),
    Row("ln_f", "norm"),
)


def model(component, name, build, oracle, table, inputs, **rest):
    options = {"differentiable": False, **BLOCK, **rest}
    return Case(component, name, build, inputs, **speaking(table, build, oracle), **options)


TINY = {"vocab_size": 11, "context": 16, "embed_dim": 8, "num_layers": 2, "num_heads": 2}
TINY_GPT = TINY | {"dropout": 0.0}
TINY_LLAMA = TINY | {"num_heads": 4, "hidden_dim": 12}
TINY_TORCH = {"d_model": 8, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "dim_feedforward": 12}

CASES = [
    *[
        Case(
            "TransformerEncoderLayer",
            label(**options),
            lambda o=options: M.TransformerEncoderLayer(8, 2, 12, 0.0, **o),
            several((5, 8)),
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
        several((5, 8)),
        random=True,
    ),
    *[
        Case(
            "TransformerEncoder",
            f"layers={depth}",
            lambda d=depth: M.TransformerEncoder(M.TransformerEncoderLayer(*GELU, norm_first=True), d, L.LayerNorm(8)),
            several((5, 8)),
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
            several((5, 8), (3, 8)),
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
            several((5, 8), (3, 8)),
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
    Case(
        "GPT_TransformerBlock",
        "",
        lambda: M.GPT_TransformerBlock(8, 2, dropout=0.0),
        several((5, 8)),
        **speaking(_BLOCK_OF_GPT2, lambda: M.GPT_TransformerBlock(8, 2), GPTBlock),
        **BLOCK,
    ),
    *[
        Case(
            "GPT_SparseTransformerBlock",
            f"{kind},{combine}",
            lambda k=kind, c=combine: M.GPT_SparseTransformerBlock(8, 2, 3, 2, k, c, dropout=0.0),
            several((7, 8)),
            **speaking(
                _BLOCK_OF_GPT2,
                lambda: M.GPT_SparseTransformerBlock(8, 2, 3),
                lambda k=kind, p=part: GPTBlock(pattern(3, 2, k, p)),
            ),
            **BLOCK,
        )
        for kind, combine, part in (
            ("strided", "local", "local"),
            ("fixed", "merged", "union"),
        )
    ],
    *[
        model(
            "GPT2",
            label(tied=tied, layers=depth),
            lambda t=tied, i=inner, d=depth: M.GPT2(**TINY_GPT | {"num_layers": d}, tie_embeddings=t, hidden_dim=i),
            lambda t=tied, i=inner, d=depth: gpt2(tie_word_embeddings=t, n_inner=i, n_layer=d),
            gpt2_table(tied),
            tokens(7),
        )
        for tied, inner, depth in ((True, None, 1), (False, 12, 2))
    ],
    model("GPT3", "", lambda: M.GPT3(**TINY_GPT, window=3), lambda: SparseGPT2(3), _SPARSE, tokens(7)),
    *[
        Case(
            "LLaMA_TransformerBlock",
            f"groups={groups}",
            lambda g=groups: Turning(8, 4, g, 12),
            several((5, 8)),
            **speaking(
                _BLOCK_OF_LLAMA,
                lambda g=groups: Turning(8, 4, g, 12),
                lambda g=groups: LlamaBlock(num_key_value_heads=g),
            ),
            **BLOCK,
        )
        for groups in (4, 2)
    ],
    *[
        model(
            name,
            label(tied=tied, groups=groups, layers=depth),
            lambda k=kind, t=tied, g=groups, d=depth: k(
                **TINY_LLAMA | {"num_layers": d}, tie_embeddings=t, num_kv_heads=g
            ),
            lambda e=eps, t=tied, g=groups, d=depth: llama(
                tie_word_embeddings=t, num_key_value_heads=g, rms_norm_eps=e, num_hidden_layers=d
            ),
            llama_table(tied),
            tokens(7),
        )
        for name, kind, eps, tied, groups, depth in (
            ("LLaMA1", M.LLaMA1, 1e-6, False, 4, 1),
            ("LLaMA1", M.LLaMA1, 1e-6, True, 2, 2),
            ("LLaMA2", M.LLaMA2, 1e-5, False, 2, 1),
        )
    ],
]

classes = torch.tensor([[3, 0, 6], [5, -100, 2]])


def plain_loss(x, weight, target, **options):
    return nn.functional.cross_entropy((x @ weight.T).flatten(0, -2), target.flatten(), **options)


FUNCTION_CASES = [
    simple(G.linear_cross_entropy, plain_loss, randn(2, 3, 4), randn(7, 4, seed=3), classes, constants=(2,), **options)
    for options in ({}, {"reduction": "sum"}, {"label_smoothing": 0.1})
]

REQUIRED = {
    "TransformerEncoderLayer": (8, 2),
    "TransformerDecoderLayer": (8, 2),
    "Transformer": (11,),
    "GPT_TransformerBlock": (8, 2),
    "GPT_SparseTransformerBlock": (8, 2, 3),
    "GPT2": (11,),
    "GPT3": (11,),
    "LLaMA_TransformerBlock": (8, 2),
    "LLaMA1": (11,),
    "LLaMA2": (11,),
}

x, ids = torch.ones(2, 5, 8), torch.ones(2, 5, dtype=torch.int64)
encoder_layer, decoder_layer = M.TransformerEncoderLayer(8, 2, 12), M.TransformerDecoderLayer(8, 2, 12)
translator = M.Transformer(11, **TINY_TORCH, max_len=16)
gpt, llama1 = M.GPT2(**TINY), M.LLaMA1(**TINY_LLAMA)

BAD_INPUTS = [
    ("TransformerEncoderLayer", lambda: M.TransformerEncoderLayer(9, 2), ValueError, "embed_dim must be divisible by"),
    (
        "TransformerEncoderLayer",
        lambda: M.TransformerEncoderLayer(8, 2, activation="swish"),
        ValueError,
        "activation must be one of 'relu', 'gelu'",
    ),
    (
        "TransformerEncoderLayer",
        lambda: M.TransformerEncoderLayer(8, 2, activation=nn.Tanh()),
        ValueError,
        "activation must be one of 'relu', 'gelu', 'gelu_tanh', 'silu', got Tanh()",
    ),
    *[
        (kind.__name__, lambda k=kind: k(8, 2, 12, 0.0, "relu", 1e-5, False), ValueError, "batch_first must be True")
        for kind in (M.TransformerEncoderLayer, M.TransformerDecoderLayer)
    ],
    ("TransformerEncoderLayer", lambda: encoder_layer(x[0]), ValueError, "src must have shape (B, places, d_model)"),
    ("TransformerEncoderLayer", lambda: encoder_layer(x.long()), TypeError, "src must be a floating-point tensor"),
    (
        "TransformerEncoderLayer",
        lambda: encoder_layer(x, torch.ones(2, 5, 5, dtype=torch.bool)),
        ValueError,
        "mask must have shape (5, 5) (queries, keys)",
    ),
    ("TransformerEncoder", lambda: M.TransformerEncoder(encoder_layer, 0), ValueError, "num_layers must be at least 1"),
    ("TransformerDecoderLayer", lambda: decoder_layer(x, x[..., :4]), ValueError, "memory must have 8 features"),
    ("TransformerDecoderLayer", lambda: decoder_layer(x, x[:1]), ValueError, "key must have 2 samples"),
    ("TransformerDecoder", lambda: M.TransformerDecoder(decoder_layer, True), TypeError, "num_layers must be an int"),
    ("Transformer", lambda: translator(ids, ids + 10), ValueError, "target must lie in [0, 10], the vocabulary being"),
    ("Transformer", lambda: translator(ids.float(), ids), TypeError, "source must be int64 or int32"),
    ("Transformer", lambda: translator(ids[0], ids), ValueError, "source must have shape (B, tokens)"),
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
    ("Transformer", lambda: M.Transformer(11, pad_id=0.5), TypeError, "pad_id must be an int, got 0.5 (float)"),
    ("Transformer", lambda: M.Transformer(11, pad_id=-1), ValueError, "pad_id must be at least 0, got -1"),
    ("TransformerDecoder", lambda: translator.decoder.begin(x[0], 3), ValueError, "memory must have shape (B, places"),
    ("Transformer", lambda: M.Transformer(11, pad_id=11), ValueError, "pad_id must lie in a vocabulary of 11, got 11"),
    (
        "GPT_TransformerBlock",
        lambda: M.GPT_TransformerBlock(8, 3),
        ValueError,
        "embed_dim must be divisible by num_heads",
    ),
    ("GPT_TransformerBlock", lambda: M.GPT_TransformerBlock(8, 2)(x[0]), ValueError, "query must have shape"),
    (
        "GPT_SparseTransformerBlock",
        lambda: M.GPT_SparseTransformerBlock(8, 2, 3, columns=4),
        ValueError,
        "columns must be at most block_size=3, got 4",
    ),
    ("GPT2", lambda: gpt(ids + 10), ValueError, "tokens must lie in [0, 10], vocab_size being 11, got 11"),
    ("GPT2", lambda: gpt(ids[0]), ValueError, "tokens must have shape (B, T), got 1 axes"),
    ("GPT2", lambda: gpt(ids.float()), TypeError, "tokens must be int64 or int32, got torch.float32"),
    (
        "GPT2",
        lambda: gpt(torch.ones(1, 17, dtype=torch.int64)),
        ValueError,
        "tokens must end within context=16, got 17 after 0",
    ),
    ("GPT2", lambda: M.GPT2.preset("gpt2-huge"), ValueError, "GPT2 has no preset 'gpt2-huge'; it has 'gpt2'"),
    ("GPT2", lambda: M.GPT2(num_layers=0), ValueError, "num_layers must be at least 1, got 0"),
    ("GPT2", lambda: M.GPT2(**TINY, dropout=2.0), ValueError, "dropout must be a finite number in [0.0, 1.0], got 2.0"),
    *(
        ("GPT2", lambda n=n: gpt(ids[:, :1], M.GPT2(**TINY | {"num_layers": n}).begin(2)), ValueError, words)
        for n in (1, 3)
        for words in (f"state must be of this model's begin(), with 2 caches, one a block, got {n}",)
    ),
    ("GPT3", lambda: M.GPT3(**TINY, window=1), ValueError, "window must be at least 2, got 1"),
    ("GPT3", lambda: M.GPT3(**TINY).begin(3, 8, ids[:2, 0]), ValueError, "padding must have 3 rows"),
    (
        "LLaMA_TransformerBlock",
        lambda: M.LLaMA_TransformerBlock(8, 4, 3),
        ValueError,
        "num_heads must be divisible by num_kv_heads=3, got 4",
    ),
    ("LLaMA1", lambda: llama1(ids - 2), ValueError, "tokens must lie in [0, 10], vocab_size being 11, got -1"),
    ("LLaMA1", lambda: M.LLaMA1(**TINY | {"embed_dim": 6}), ValueError, "head_dim must be even"),
    ("LLaMA1", lambda: M.LLaMA1(**TINY, hidden_dim=0), ValueError, "hidden_dim must be at least 1, got 0"),
    ("LLaMA2", lambda: M.LLaMA2.preset("34b"), ValueError, "LLaMA2 has no preset '34b'; it has '7b', '13b', '70b'"),
    ("LLaMA2", lambda: llama1.begin(2, 0), ValueError, "max_len must be at least 1, got 0"),
]
