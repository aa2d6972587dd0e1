"""Weight tables of language models: GPT-2 and LLaMA as Hugging Face names them, LLaMA as Meta does.

Hugging Face's GPT-2 stores matrices as (in, out), and queries, keys and values as one. Meta's LLaMA rotates features
2i and 2i + 1 as a pair, Hugging Face's and ours i and i + D/2: the rows of W_Q and W_K are reordered per head.
"""

from __future__ import annotations

import torch
from torch import Tensor

from groundup.weights.weight_map import SPLIT_IN_THREE, TRANSPOSED, Drop, Row, Table, Transform

_QKV = ("q_proj", "k_proj", "v_proj")
_JOINED: tuple[Transform, Transform] = (lambda t: t.mT.chunk(3), lambda *parts: torch.cat(parts).mT)


def gpt2_table(tied: bool) -> Table:
    """Return the weight map of `GPT2LMHeadModel`; it also reads files without "transformer.", as OpenAI's on the hub.

    Args:
        tied: True if the head is the token embedding.
    """
    rows: list[Row | Drop] = []
    for prefix, only in (("transformer.", False), ("", True)):
        theirs, ours = f"{prefix}h.{{i}}", "blocks.{i}"
        attention = f"{ours}.self_attn"
        rows += [
            Row(f"{prefix}wte", "token_embedding", reading_only=only),
            Row(f"{prefix}wpe", "position_embedding", reading_only=only),
            Row(f"{theirs}.ln_1", f"{ours}.self_attn_norm", reading_only=only),
            Drop(f"{theirs}.attn.bias", "the causal mask, which is no parameter"),
            Drop(f"{theirs}.attn.masked_bias", "the score of masked positions"),
            Row(f"{theirs}.attn.c_attn.weight", tuple(f"{attention}.{p}.weight" for p in _QKV), *_JOINED, only),
            Row(f"{theirs}.attn.c_attn.bias", tuple(f"{attention}.{p}.bias" for p in _QKV), *SPLIT_IN_THREE, only),
            Row(f"{theirs}.ln_2", f"{ours}.feed_forward_norm", reading_only=only),
            Row(f"{prefix}ln_f", "norm", reading_only=only),
        ]
        for name, matrix in (
            ("attn.c_proj", "self_attn.out_proj"),
            ("mlp.c_fc", "feed_forward.linear1"),
            ("mlp.c_proj", "feed_forward.linear2"),
        ):
            rows.append(Row(f"{theirs}.{name}.weight", f"{ours}.{matrix}.weight", *TRANSPOSED, only))
            rows.append(Row(f"{theirs}.{name}.bias", f"{ours}.{matrix}.bias", reading_only=only))
    return (*rows, *_head(tied, "transformer.wte", "wte"))


def _head(tied: bool, *embeddings: str) -> list[Row | Drop]:
    reason = "tie_word_embeddings says that the embedding makes the scores; if it does not, config.json must say false"
    return [Drop("lm_head", reason, name) for name in embeddings] if tied else [Row("lm_head", "head")]


def llama_table(tied: bool) -> Table:
    """Return the weight map of `LlamaForCausalLM`; `tied` is as for `gpt2_table`."""
    theirs, ours = "model.layers.{i}", "blocks.{i}"
    return (
        Row("model.embed_tokens", "token_embedding"),
        *(Row(f"{theirs}.self_attn.{p}", f"{ours}.self_attn.{p}") for p in _QKV),
        Row(f"{theirs}.self_attn.o_proj", f"{ours}.self_attn.out_proj"),
        Drop(f"{theirs}.self_attn.rotary_emb.inv_freq", "angles, which follow from the size"),
        Row(f"{theirs}.mlp.{{matrix}}", f"{ours}.feed_forward.{{matrix}}"),
        Row(f"{theirs}.input_layernorm", f"{ours}.self_attn_norm"),
        Row(f"{theirs}.post_attention_layernorm", f"{ours}.feed_forward_norm"),
        Row("model.norm", "norm"),
        *_head(tied, "model.embed_tokens"),
    )


def meta_table(head_dim: int) -> Table:
    """Return the weight map of Meta's consolidated.*.pth, whose heads have `head_dim` features."""

    def apart(t: Tensor) -> Tensor:
        """Return rows 0, 2, 4, … of each head, then 1, 3, 5, …"""
        return t.unflatten(0, (-1, head_dim // 2, 2)).transpose(1, 2).flatten(0, 2)

    def together(t: Tensor) -> Tensor:
        """Undo `apart`."""
        return t.unflatten(0, (-1, 2, head_dim // 2)).transpose(1, 2).flatten(0, 2)

    theirs, ours = "layers.{i}", "blocks.{i}"
    return (
        Row("tok_embeddings", "token_embedding"),
        Row(f"{theirs}.attention.wq", f"{ours}.self_attn.q_proj", apart, together),
        Row(f"{theirs}.attention.wk", f"{ours}.self_attn.k_proj", apart, together),
        Row(f"{theirs}.attention.wv", f"{ours}.self_attn.v_proj"),
        Row(f"{theirs}.attention.wo", f"{ours}.self_attn.out_proj"),
        Row(f"{theirs}.feed_forward.w1", f"{ours}.feed_forward.gate_proj"),
        Row(f"{theirs}.feed_forward.w3", f"{ours}.feed_forward.up_proj"),
        Row(f"{theirs}.feed_forward.w2", f"{ours}.feed_forward.down_proj"),
        Row(f"{theirs}.attention_norm", f"{ours}.self_attn_norm"),
        Row(f"{theirs}.ffn_norm", f"{ours}.feed_forward_norm"),
        Row("norm", "norm"),
        Row("output", "head"),
        Drop("rope.freqs", "angles, which follow from the size"),
    )
