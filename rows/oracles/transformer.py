"""Transformers of torch.nn and of Hugging Face, tiny, called as ours are."""

import torch
import torch.nn.functional as F
import transformers as hf
from torch import nn
from transformers.models.gpt2.modeling_gpt2 import GPT2Block
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm, LlamaRotaryEmbedding

from groundup.functional.positions import sinusoids
from groundup.functional.sparse_attention import sparse_mask


def torch_names(decoder):
    """Our names of a layer's parts -> PyTorch's."""
    names = {"self_attn_norm": "norm1", "cross_attn": "multihead_attn", "feed_forward.linear": "linear"}
    if decoder:
        return names | {"cross_attn_norm": "norm2", "feed_forward_norm": "norm3"}
    return names | {"feed_forward_norm": "norm2"}


def to_torch(state):
    """A Transformer's state under the names of torch.nn's, its projections of queries, keys and values as one."""
    decoder = any("cross_attn" in name for name in state)
    result, packed = {}, {}
    for name, value in state.items():
        of_decoder = "decoder." in name or (decoder and "encoder." not in name)
        for ours, theirs in sorted(torch_names(of_decoder).items(), key=lambda pair: -len(pair[0])):
            if ours in name:
                name = name.replace(ours, theirs)
                break
        head, _, last = name.rpartition(".")
        if head.rpartition(".")[2] in ("q_proj", "k_proj", "v_proj"):
            packed.setdefault(f"{head.rpartition('.')[0]}.in_proj_{last}", []).append(value)
        else:
            result[name] = value
    return result | {name: torch.cat(parts) for name, parts in packed.items()}


class EncoderLayer(nn.TransformerEncoderLayer):
    """Without the fast path, which leaves out what autograd needs."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, batch_first=True, **options)

    def forward(self, src, **options):
        return super().forward(src, **options)


class DecoderLayer(nn.TransformerDecoderLayer):
    """Causal, as ours are."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, batch_first=True, **options)

    def forward(self, tgt, memory, **_):
        return super().forward(tgt, memory, tgt_mask=future(tgt.size(1)))


class Decoder(nn.TransformerDecoder):
    def forward(self, tgt, memory):
        x = tgt
        for layer in self.layers:
            x = layer(x, memory)
        return x if self.norm is None else self.norm(x)


def future(n):
    """PyTorch's mask: True is hidden."""
    return torch.ones(n, n, dtype=torch.bool).triu(1)


class TorchTransformer(nn.Module):
    """nn.Transformer's stacks between embeddings times √E plus sinusoids, and a tied head; 0 is padding."""

    def __init__(self, vocab_size, target_vocab_size=None, d_model=8, nhead=2, layers=1, hidden=12, norm_first=False):
        super().__init__()
        options = {"dropout": 0.0, "norm_first": norm_first}
        norms = [nn.LayerNorm(d_model) if norm_first else None for _ in range(2)]
        self.encoder = nn.TransformerEncoder(
            EncoderLayer(d_model, nhead, hidden, **options), layers, norms[0], enable_nested_tensor=False
        )
        self.decoder = Decoder(DecoderLayer(d_model, nhead, hidden, **options), layers, norms[1])
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.target_embedding = nn.Embedding(target_vocab_size, d_model) if target_vocab_size else None

    def forward(self, source, target):
        def embed(tokens, table):
            x = table(tokens) * table.embedding_dim**0.5
            return x + sinusoids(torch.arange(x.size(1)), x.size(2)).to(x)

        table = self.target_embedding or self.embedding
        hidden = source == 0
        memory = self.encoder(embed(source, self.embedding), src_key_padding_mask=hidden)
        x = embed(target, table)
        for layer in self.decoder.layers:
            x = nn.TransformerDecoderLayer.forward(
                layer, x, memory, tgt_mask=future(x.size(1)), memory_key_padding_mask=hidden
            )
        x = x if self.decoder.norm is None else self.decoder.norm(x)
        return x @ table.weight.T


GPT2_TINY = {"vocab_size": 11, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2}
LLAMA_TINY = {
    "vocab_size": 11,
    "max_position_embeddings": 16,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_NO_SPECIAL = {"bos_token_id": None, "eos_token_id": None}


def gpt2_config(**changes):
    no_dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return hf.GPT2Config(**{**GPT2_TINY, **no_dropout, **_NO_SPECIAL, **changes})


def llama_config(**changes):
    return hf.LlamaConfig(**{**LLAMA_TINY, **_NO_SPECIAL, "attn_implementation": "sdpa", **changes})


class Wide(nn.Module):
    """Cosines and sines in the type of x; Hugging Face's are of float32."""

    def __init__(self, features, base=10000.0):
        super().__init__()
        self.features, self.base = features, base

    def forward(self, x, position_ids):
        frequency = self.base ** -(torch.arange(0, self.features, 2).double() / self.features)
        angles = torch.cat([position_ids[..., None] * frequency] * 2, -1)
        return angles.cos().to(x), angles.sin().to(x)


def widen(module, config):
    """`module` of LLaMA with norms and rotations that keep float64; Hugging Face's cast to float32."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LlamaRMSNorm):
                setattr(parent, name, nn.RMSNorm(config.hidden_size, config.rms_norm_eps))
            elif isinstance(child, LlamaRotaryEmbedding):
                setattr(parent, name, Wide(config.head_dim))
    return module


class _Logits:
    """Returns logits alone, and takes a state without the tied head."""

    def forward(self, tokens):
        return super().forward(tokens, use_cache=False).logits

    def load_state_dict(self, state, strict=True):
        if self.config.tie_word_embeddings:
            state = {**state, "lm_head.weight": state[next(n for n in state if "wte" in n or "embed_tokens" in n)]}
        return super().load_state_dict(state, strict)


class GPT2Logits(_Logits, hf.GPT2LMHeadModel):
    pass


class LlamaLogits(_Logits, hf.LlamaForCausalLM):
    pass


def gpt2(**changes):
    return GPT2Logits(gpt2_config(**changes))


def llama(**changes):
    config = llama_config(**changes)
    return widen(LlamaLogits(config), config)


class GPTBlock(GPT2Block):
    def __init__(self, mask=None, **changes):
        config = gpt2_config(**changes)
        config._attn_implementation = "eager"
        super().__init__(config, layer_idx=0)
        self.seen = mask

    def forward(self, x):
        n = x.size(1)
        seen = torch.ones(n, n, dtype=torch.bool).tril() if self.seen is None else self.seen(n)
        added = torch.zeros(n, n, dtype=x.dtype).masked_fill(~seen, torch.finfo(x.dtype).min)
        y = super().forward(x, attention_mask=added[None, None])
        return y[0] if isinstance(y, tuple) else y


def pattern(block_size, columns, kind, part):
    """The mask of a sparse pattern, which tests/functional/test_sparse_attention.py counts pair by pair."""
    return lambda n: sparse_mask(torch.arange(n), torch.arange(n), block_size, columns, kind, part)


class SparseGPT2(nn.Module):
    """GPT-2's arithmetic in Hugging Face's blocks, every other of which sees a band of `window` tokens."""

    def __init__(self, window, **changes):
        super().__init__()
        config = gpt2_config(**changes)
        band = lambda n: torch.ones(n, n, dtype=torch.bool).tril().triu(1 - window)  # noqa: E731
        self.wte, self.wpe = nn.Embedding(config.vocab_size, config.n_embd), nn.Embedding(16, config.n_embd)
        self.h = nn.ModuleList(GPTBlock(band if i % 2 else None, **changes) for i in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.size(1)))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


class LlamaBlock(LlamaDecoderLayer):
    """With its rotations, and causal: called alone it is not, unless it is told how to attend."""

    def __init__(self, **changes):
        config = llama_config(**changes)
        super().__init__(config, layer_idx=0)
        self.turn = Wide(config.head_dim)
        widen(self, config)

    def forward(self, x):
        turns = self.turn(x, torch.arange(x.size(1))[None])
        y = super().forward(x, position_embeddings=turns)
        return y[0] if isinstance(y, tuple) else y


class CharacterBlock(nn.Module):
    def __init__(self, width, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.self_attn_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = nn.ModuleDict({"qkv_proj": nn.Linear(width, 3 * width), "out_proj": nn.Linear(width, width)})
        linears = {"linear1": nn.Linear(width, 4 * width), "linear2": nn.Linear(4 * width, width)}
        self.feed_forward = nn.ModuleDict(linears)

    def forward(self, x):
        qkv = self.self_attn["qkv_proj"](self.self_attn_norm(x)).chunk(3, -1)
        heads = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in qkv)
        y = F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.self_attn["out_proj"](y)
        hidden = F.gelu(self.feed_forward["linear1"](self.feed_forward_norm(x)), approximate="tanh")
        return x + self.feed_forward["linear2"](hidden)


class CharacterGPT(nn.Module):
    """The small GPT that learns Shakespeare on a CPU, in torch.nn; q, k and v by one matrix product."""

    def __init__(self, vocab_size, context, embed_dim, num_layers, num_heads, **others):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(context, embed_dim)
        self.blocks = nn.Sequential(*(CharacterBlock(embed_dim, num_heads) for _ in range(num_layers)))
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, tokens):
        x = self.token_embedding(tokens) + self.position_embedding(torch.arange(tokens.size(1), device=tokens.device))
        return F.linear(self.norm(self.blocks(x)), self.token_embedding.weight)
