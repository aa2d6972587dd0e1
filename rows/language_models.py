"""Rows: GPT-2 and 3 and LLaMA; tiny. Their benchmarks: training steps and decoding."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from groundup import functional as G
from groundup import layers as L
from groundup.generation import generate
from groundup.models import transformer_networks as M
from groundup.optimizers import AdamW
from groundup.weights import Row, to_ours, to_theirs
from groundup.weights.language_tables import gpt2_table, llama_table
from rows.benchmark import MINUTES, Benchmark
from rows.kit import Case, bad_inputs, draw_each, label, randn, simple
from rows.oracles.residual import translate_names
from rows.oracles.transformer import CharacterGPT, GPTBlock, LlamaBlock, SparseGPT2, gpt2, llama, pattern
from rows.transformers import BLOCK, tokens
from rows.units import Decode, TrainLanguage, fill


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
    return Case(component, name, build, inputs, **translate_names(table, build, oracle), **options)


TINY = {"vocab_size": 11, "context": 16, "embed_dim": 8, "num_layers": 2, "num_heads": 2}
TINY_GPT = TINY | {"dropout": 0.0}
TINY_LLAMA = TINY | {"num_heads": 4, "hidden_dim": 12}

CASES = [
    Case(
        "GPT_TransformerBlock",
        "",
        lambda: M.GPT_TransformerBlock(8, 2, dropout=0.0),
        draw_each((5, 8)),
        **translate_names(_BLOCK_OF_GPT2, lambda: M.GPT_TransformerBlock(8, 2), GPTBlock),
        **BLOCK,
    ),
    *[
        Case(
            "GPT_SparseTransformerBlock",
            f"{kind},{combine}",
            lambda k=kind, c=combine: M.GPT_SparseTransformerBlock(8, 2, 3, 2, k, c, dropout=0.0),
            draw_each((7, 8)),
            **translate_names(
                _BLOCK_OF_GPT2,
                lambda: M.GPT_SparseTransformerBlock(8, 2, 3),
                lambda k=kind, p=part: GPTBlock(pattern(3, 2, k, p)),
            ),
            **BLOCK,
        )
        for kind, combine, part in (("strided", "local", "local"), ("fixed", "merged", "union"))
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
            draw_each((5, 8)),
            **translate_names(
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
    "GPT_TransformerBlock": (8, 2),
    "GPT_SparseTransformerBlock": (8, 2, 3),
    "GPT2": (11,),
    "GPT3": (11,),
    "LLaMA_TransformerBlock": (8, 2),
    "LLaMA1": (11,),
    "LLaMA2": (11,),
}

x, ids = torch.ones(2, 5, 8), torch.ones(2, 5, dtype=torch.int64)
gpt, llama1 = M.GPT2(**TINY), M.LLaMA1(**TINY_LLAMA)

BAD_INPUTS = bad_inputs(
    GPT_TransformerBlock=[
        (lambda: M.GPT_TransformerBlock(8, 3), "embed_dim must be divisible by num_heads"),
        (lambda: M.GPT_TransformerBlock(8, 2)(x[0]), "query must have shape"),
    ],
    GPT_SparseTransformerBlock=[
        (lambda: M.GPT_SparseTransformerBlock(8, 2, 3, columns=4), "columns must be at most block_size=3, got 4")
    ],
    GPT2=[
        (lambda: gpt(ids + 10), "tokens must lie in [0, 10], vocab_size being 11, got 11"),
        (lambda: gpt(ids[0]), "tokens must have shape (B, T), got 1 axes"),
        (lambda: gpt(ids.float()), "TypeError: tokens must be int64 or int32, got torch.float32"),
        (lambda: gpt(torch.ones(1, 17, dtype=torch.int64)), "tokens must end within context=16, got 17 after 0"),
        (lambda: M.GPT2.preset("gpt2-huge"), "GPT2 has no preset 'gpt2-huge'; it has 'gpt2'"),
        (lambda: M.GPT2(num_layers=0), "num_layers must be at least 1, got 0"),
        (lambda: M.GPT2(**TINY, dropout=2.0), "dropout must be a finite number in [0.0, 1.0], got 2.0"),
    ],
    GPT3=[
        (lambda: M.GPT3(**TINY, window=1), "window must be at least 2, got 1"),
        (lambda: M.GPT3(**TINY).begin(3, 8, ids[:2, 0]), "padding must have 3 rows"),
    ],
    LLaMA_TransformerBlock=[
        (lambda: M.LLaMA_TransformerBlock(8, 4, 3), "num_heads must be divisible by num_kv_heads=3, got 4")
    ],
    LLaMA1=[
        (lambda: llama1(ids - 2), "tokens must lie in [0, 10], vocab_size being 11, got -1"),
        (lambda: M.LLaMA1(**TINY | {"embed_dim": 6}), "head_dim must be even"),
        (lambda: M.LLaMA1(**TINY, hidden_dim=0), "hidden_dim must be at least 1, got 0"),
    ],
    LLaMA2=[
        (lambda: M.LLaMA2.preset("34b"), "LLaMA2 has no preset '34b'; it has '7b', '13b', '70b'"),
        (lambda: llama1.begin(2, 0), "max_len must be at least 1, got 0"),
    ],
)
BAD_INPUTS += [
    *(
        ("GPT2", lambda n=n: gpt(ids[:, :1], M.GPT2(**TINY | {"num_layers": n}).begin(2)), ValueError, words)
        for n in (1, 3)
        for words in (f"state must come from this model's begin(), with 2 caches, one per block, got {n}",)
    )
]

# ---- benchmarks ----------------------------------------------------------------------------------------------------

STEP, DECODE = (2, 512), (64, 64)  # batch and tokens; tokens of the prompt and new ones
SMALL_LLAMA = {"embed_dim": 512, "num_layers": 8, "num_heads": 8, "context": 2048}  # 60 million parameters
TRANSLATOR = {"embed_dim": 256, "num_layers": 4, "num_heads": 4, "context": 512, "vocab_size": 8000}  # of that size
BEAM, STOP = 5, 2
CHARACTERS = {"vocab_size": 65, "context": 64, "embed_dim": 128, "num_layers": 4, "num_heads": 4, "dropout": 0.0}


def fill_model(model):
    fill(model)
    for part in model.modules():
        if hasattr(part, "derive"):  # tables of positions, which are no weights
            part.derive(next(part.buffers()).device)
    return model


def with_our_weights(model, table, ours):
    model.load_state_dict(to_theirs(table, ours.state_dict()), strict=False)  # a tied head has no key of its own
    return model


def our_loss(model, tokens):
    return G.linear_cross_entropy(model(tokens[:, :-1], pre_logits=True), model.head_weight, tokens[:, 1:])


def train_gpt2():
    return TrainLanguage(fill_model(M.GPT2(dropout=0.0)), our_loss, AdamW, dict, 50257, STEP, 1e-4)


def train_gpt2_of_transformers():
    from transformers import GPT2Config, GPT2LMHeadModel

    def loss(model, tokens):
        labels = {"labels": tokens[:, :-1], "shift_labels": tokens[:, 1:].contiguous()}
        return model(tokens[:, :-1], **labels, use_cache=False).loss

    ours, table = fill_model(M.GPT2(dropout=0.0)), gpt2_table(True)
    config = GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    model = with_our_weights(GPT2LMHeadModel(config), table, ours)
    shapes = {name: p.detach().to("meta") for name, p in ours.named_parameters()}
    return TrainLanguage(model, loss, torch.optim.AdamW, lambda grads: to_ours(table, grads, shapes), 50257, STEP, 1e-4)


def train_characters():
    return TrainLanguage(fill_model(M.GPT2(**CHARACTERS)), our_loss, AdamW, dict, 65, (12, 64), 1e-3)


def train_characters_of_torch():
    def loss(model, tokens):
        return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    def split_qkv(values):
        """q, k and v each under its own name, as ours has them."""
        found = {}
        for name, value in values.items():
            parts = zip("qkv", value.chunk(3), strict=True) if "qkv_proj" in name else [("qkv", value)]
            found |= {name.replace("qkv_proj", f"{letter}_proj"): part for letter, part in parts}
        return found

    model, ours = CharacterGPT(**CHARACTERS), fill_model(M.GPT2(**CHARACTERS)).state_dict()
    with torch.no_grad():
        for name, part in split_qkv(dict(model.named_parameters())).items():
            part.copy_(ours[name])
    return TrainLanguage(model, loss, torch.optim.AdamW, split_qkv, 65, (12, 64), 1e-3)


def decode(batch, sizes, beam):
    how = {"temperature": 0.0} if beam == 1 else {"width": beam, "stop": STOP}
    model = fill_model(M.LLaMA2(**sizes))

    def write(model, prompts):
        return generate(model, prompts, max_new_tokens=DECODE[1], **how).tokens

    return Decode(model, write, (batch, DECODE[0]), model.vocab_size)


def decode_with_transformers(batch, sizes, beam):
    from transformers import LlamaConfig, LlamaForCausalLM

    how = {"num_beams": beam, "do_sample": False, "max_new_tokens": DECODE[1], "pad_token_id": STOP}
    ours = fill_model(M.LLaMA2(**sizes))
    config = LlamaConfig(
        vocab_size=ours.vocab_size,
        hidden_size=sizes["embed_dim"],
        intermediate_size=ours.init_arguments["hidden_dim"],
        num_hidden_layers=sizes["num_layers"],
        num_attention_heads=sizes["num_heads"],
        rms_norm_eps=1e-5,
        eos_token_id=None if beam == 1 else STOP,
    )

    def write(model, prompts):
        with torch.no_grad():
            new = model.generate(prompts, attention_mask=torch.ones_like(prompts), **how)
        return new[:, prompts.size(1) :]

    model = with_our_weights(LlamaForCausalLM(config), llama_table(False), ours)
    return Decode(model, write, (batch, DECODE[0]), ours.vocab_size)


BENCHMARKS = [
    Benchmark(
        *("transformer", "GPT-2, 124M", STEP, "training step, AdamW", "transformers + optim.AdamW"),
        *(train_gpt2, train_gpt2_of_transformers, 0.95, 1e-3),
        not_compiled=MINUTES,
    ),
    Benchmark(
        *("transformer", "GPT-2, 0.8M", (12, 64), "training step, AdamW", "torch.nn + optim.AdamW"),
        *(train_characters, train_characters_of_torch, 1.0),
        why="q, k and v are three products here and one there: 24 calls more for the same work; the rest is alike",
    ),
    *[
        Benchmark(
            *("transformer", name, f"{batch} × ({DECODE[0]} + {DECODE[1]})", work, "transformers' generate"),
            *[partial(unit, batch, sizes, beam) for unit in (decode, decode_with_transformers)],
            limit,
            not_compiled=MINUTES,
        )
        for name, work, batch, sizes, beam, limit in (
            ("LLaMA, 60M", "greedy decoding", 1, SMALL_LLAMA, 1, 0.77),
            ("LLaMA, 60M", "greedy decoding", 8, SMALL_LLAMA, 1, 0.77),
            ("LLaMA, 8M", f"beam search, {BEAM} wide", 16, TRANSLATOR, BEAM, 1.0),
        )
    ],
]
