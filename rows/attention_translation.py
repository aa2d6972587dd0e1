"""Rows: translation with attention."""

import torch

from groundup.models.attention_networks import AttentionDecoder, AttentionEncoder, BahdanauAttention
from rows.kit import Case, bad_inputs, seeded_randn
from rows.oracles.translation import AttentionDecoderOracle, AttentionEncoderOracle, BahdanauOracle
from rows.sequence_models import (
    LENGTHS,
    H,
    I,
    T,
    V,
    model_case,
    sentences,
    sentences_with_lengths,
    some,
    tokens,
    words,
    words_with_lengths,
)

# The maximum of maxout may be another after rounding: these weights are of size 1, so that few are near one another.
MAXOUT = {"tolerance": {torch.bfloat16: 0.15}, "gain": 1.0}
ATTENTION = (V, V - 1, I, H, 3, 2)


def draw_annotated(batch=2, dtype=torch.float64):
    return tokens(batch, 2), seeded_randn(batch, T, 2 * H, dtype=dtype)


def draw_annotated_with_lengths(batch=2, dtype=torch.float64):
    return *draw_annotated(batch, dtype), LENGTHS[:batch]


CASES = [
    *[
        model_case(
            "AttentionEncoder",
            inputs.__name__,
            lambda: AttentionEncoder(V, I, H),
            inputs,
            lambda: AttentionEncoderOracle(V, I, H),
        )
        for inputs in (words, words_with_lengths)
    ],
    *[
        Case(
            "AttentionDecoder",
            inputs.__name__,
            lambda: AttentionDecoder(V, I, H, 3, 2),
            inputs,
            lambda: AttentionDecoderOracle(V, I, H, 3, 2),
            deep=True,
            **MAXOUT,
        )
        for inputs in (draw_annotated, draw_annotated_with_lengths)
    ],
    *[
        model_case(
            "BahdanauAttention",
            inputs.__name__,
            lambda: BahdanauAttention(*ATTENTION),
            inputs,
            lambda: BahdanauOracle(*ATTENTION),
            **MAXOUT,
        )
        for inputs in (sentences, sentences_with_lengths)
    ],
]

decoder = AttentionDecoder(V, I, H, 3, 2)
bahdanau = BahdanauAttention(*ATTENTION)
memory = torch.ones(2, T, 2 * H)

REQUIRED = {"AttentionEncoder": (V, I, H), "AttentionDecoder": (V, I, H, 3, 2), "BahdanauAttention": ATTENTION}

BAD_INPUTS = bad_inputs(
    AttentionEncoder=[
        (lambda: AttentionEncoder(V, I, H)(some[0]), "source must have shape (B, S)"),
        (lambda: AttentionEncoder(V, I, 0), "hidden_size must be at least 1"),
    ],
    AttentionDecoder=[
        (lambda: decoder(some[0], memory), "target must have shape (B, T)"),
        (lambda: decoder(some, memory[..., :6]), "annotations must have 8 features"),
        (lambda: decoder(some, memory[:, :0]), "at least one source word"),
        (lambda: decoder(some, memory.long()), "TypeError: annotations must be a floating-point"),
        (lambda: AttentionDecoder(V, annotation_size=7), "annotation_size must be even"),
        (lambda: AttentionDecoder(V, maxout_size=0), "maxout_size must be at least 1"),
    ],
    BahdanauAttention=[
        (lambda: bahdanau(some[0], some), "source must have shape (B, S)"),
        (lambda: bahdanau(some, some, torch.tensor([9, 9])), "lengths must lie in [0, 3]"),
        (lambda: BahdanauAttention(3, 3, alignment_size=0), "hidden_size must be at le"),
    ],
)
