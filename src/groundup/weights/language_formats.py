"""config.json of GPT-2 and LLaMA as the library transformers writes it, and the arguments that it describes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundup.weights.language_tables import gpt2_table, llama_table
from groundup.weights.table import Table

logger = logging.getLogger("groundup")


@dataclass(frozen=True)
class Format:
    """How Hugging Face's config.json describes a kind of model.

    keys        our argument → its key, or several, all of which the model has as one: the first is read
    fixed       its keys that have to have this value, or one of several names of it, where they are given: the model
                does nothing else
    defaults    of keys that a file leaves out, where the library takes something else than our constructor
    tokens      keys of tokens, and those of the vocabulary that is usual
    """

    model_type: str
    architecture: str
    keys: Mapping[str, str | tuple[str, ...]]
    table: Callable[[bool], Table]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)

    def arguments(self, config: Mapping[str, Any], where: Path) -> dict[str, Any]:
        """The constructor's. Raises `ValueError` for a model that this is not."""
        if config.get("model_type") != self.model_type:
            raise ValueError(f"{where} describes a {config.get('model_type')!r}, and not a {self.model_type!r}")
        flat = {**self.defaults, **_given(config), **_rope(config, where)}
        for name, value in self.fixed.items():
            names = _several(value)
            if name in flat and flat[name] not in names:
                only = " or ".join(map(repr, names))
                raise ValueError(f"{where} has {name}={flat[name]!r}, and this model is written for {only} alone")
        result = {}
        for ours, theirs in self.keys.items():
            said = {key: flat[key] for key in _several(theirs) if key in flat}
            if not said:
                continue
            result[ours] = first = next(iter(said.values()))
            if any(value != first for value in said.values()):
                listed = ", ".join(f"{key}={value}" for key, value in said.items())
                logger.warning("%s has %s: the model has one %s for all, and takes %s", where, listed, ours, first)
        return result

    def config(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The config.json of a model that was built with these arguments.

        Its tokens are null where the vocabulary has not that many: else the library takes the usual ones.
        """
        named = {
            key: arguments[ours]
            for ours, theirs in self.keys.items()
            for key in _several(theirs)
            if arguments.get(ours) is not None
        }
        fixed = {name: _several(value)[0] for name, value in self.fixed.items()}
        tokens = {key: token if token < arguments["vocab_size"] else None for key, token in self.tokens.items()}
        return {"model_type": self.model_type, "architectures": [self.architecture], **fixed, **named, **tokens}


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}


def _rope(config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """What is said of the angles, under any of the keys that the library has had for it."""
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(rope, Mapping):
        raise ValueError(f"{where}: rope_scaling must be an object, got {rope!r}")
    return _given({"rope_type": rope.get("type"), **rope})


# Names of one function, to rounding.
_GELU_TANH = ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate")
_GPT2 = Format(
    "gpt2",
    "GPT2LMHeadModel",
    {
        "vocab_size": "vocab_size",
        "context": "n_positions",
        "embed_dim": "n_embd",
        "num_layers": "n_layer",
        "num_heads": "n_head",
        "hidden_dim": "n_inner",
        "dropout": ("resid_pdrop", "embd_pdrop", "attn_pdrop"),
        "eps": "layer_norm_epsilon",
        "tie_embeddings": "tie_word_embeddings",
    },
    gpt2_table,
    {
        "activation_function": _GELU_TANH,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    },
    {"resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1},
    {"bos_token_id": 50256, "eos_token_id": 50256},
)
_LLAMA = Format(
    "llama",
    "LlamaForCausalLM",
    {
        "vocab_size": "vocab_size",
        "context": "max_position_embeddings",
        "embed_dim": "hidden_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "num_kv_heads": "num_key_value_heads",
        "hidden_dim": "intermediate_size",
        "eps": "rms_norm_eps",
        "base": "rope_theta",
        "tie_embeddings": "tie_word_embeddings",
    },
    llama_table,
    {"hidden_act": ("silu", "swish"), "attention_bias": False, "mlp_bias": False, "rope_type": "default"},
    {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "intermediate_size": 11008},
    {"bos_token_id": 1, "eos_token_id": 2},
)
FORMATS = {"gpt2": _GPT2, "llama": _LLAMA}
