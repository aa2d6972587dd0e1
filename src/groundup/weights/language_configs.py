"""Configurations of language models: config.json of the library transformers, and Meta's params.json.

Meta's params.json does not distinguish LLaMA 1 from Llama 2, and does not state how long a text may be: Meta's code is
told by its caller. Without max_seq_len the context is that of the class that reads it, 2048 for `LLaMA1` and 4096 for
`LLaMA2`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundup.layers.activation import compute_gated_width
from groundup.weights.config import read_object
from groundup.weights.language_tables import gpt2_table, llama_table
from groundup.weights.weight_files import PARAMS
from groundup.weights.weight_map import Table

logger = logging.getLogger("groundup")

#: The base of the rotary angles in Meta's code if params.json states none; Code Llama's states one.
BASE = 10000.0
#: Llama 2's context, which `groundup.tools.text` uses for a folder that states none.
UNSTATED_CONTEXT = 4096


@dataclass(frozen=True)
class Format:
    """Correspondence between our arguments and Hugging Face's config.json, for one kind of model.

    Args:
        model_type, architecture: values of config.json that name the kind and the class.
        keys: our argument → its key in config.json, or several keys that our model has as one argument.
        table: function from `tie_embeddings` to the weight map.
        fixed: keys with the only value, or names of it, that our model supports.
        defaults: values that the library uses for missing keys, where our constructor has another default.
        tokens: keys of special tokens, with the tokens of the usual vocabulary.

    Example:
        >>> FORMATS["gpt2"].arguments({"model_type": "gpt2", "n_layer": 3}, Path("config.json"))
        {'num_layers': 3, 'dropout': 0.1}
    """

    model_type: str
    architecture: str
    keys: Mapping[str, str | tuple[str, ...]]
    table: Callable[[bool], Table]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)

    def arguments(self, config: Mapping[str, Any], where: Path) -> dict[str, Any]:
        """Return the arguments of the constructor. Raises `ValueError` for a model that ours cannot be.

        Args:
            config: content of config.json.
            where: its path, for messages.
        """
        if config.get("model_type") != self.model_type:
            raise ValueError(f"{where} describes a {config.get('model_type')!r}, and not a {self.model_type!r}")
        flat = {**self.defaults, **_drop_nulls(config), **_read_rope(config, where)}
        for name, value in self.fixed.items():
            names = _as_tuple(value)
            if name in flat and flat[name] not in names:
                only = " or ".join(map(repr, names))
                raise ValueError(f"{where} has {name}={flat[name]!r}, and this model is written for {only} alone")
        result = {}
        for ours, theirs in self.keys.items():
            stated = {key: flat[key] for key in _as_tuple(theirs) if key in flat}
            if not stated:
                continue
            result[ours] = first = next(iter(stated.values()))
            if any(value != first for value in stated.values()):
                listed = ", ".join(f"{key}={value}" for key, value in stated.items())
                logger.warning("%s has %s: the model has one %s for all, and takes %s", where, listed, ours, first)
        return result

    def config(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the config.json of a model that was built with these arguments.

        Special tokens outside the vocabulary are null; without an entry the library would use the usual ones.
        """
        named = {
            key: arguments[ours]
            for ours, theirs in self.keys.items()
            for key in _as_tuple(theirs)
            if arguments.get(ours) is not None
        }
        fixed = {name: _as_tuple(value)[0] for name, value in self.fixed.items()}
        tokens = {key: token if token < arguments["vocab_size"] else None for key, token in self.tokens.items()}
        return {"model_type": self.model_type, "architectures": [self.architecture], **fixed, **named, **tokens}


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _drop_nulls(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}


def _read_rope(config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """Return the settings of the rotary angles, under any of the keys that the library has used for them."""
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(rope, Mapping):
        raise ValueError(f"{where}: rope_scaling must be an object, got {rope!r}")
    return _drop_nulls({"rope_type": rope.get("type"), **rope})


# Names of one function; its implementations differ by rounding.
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


def read_params(folder: Path) -> dict[str, Any]:
    """Return the content of params.json. Raises `ValueError` if there is none, or it is damaged."""
    file = folder / PARAMS
    if not file.is_file():
        raise ValueError(f"there is no {file}, which must state the arguments of the consolidated weights")
    return read_object(file)


def arguments_of(params: Mapping[str, Any], where: str | Path = "params.json") -> dict[str, Any]:
    """Return the arguments of a LLaMA.

    Args:
        params: content of params.json. A vocabulary of -1 means the tokenizer's; it is left out of the result, and so
            is a context that is not read.
        where: path of the file, for messages.

    Raises `ValueError`, naming the file and the key, for a value that is missing, of another type, or of a later LLaMA.
    """

    def read(key: str, kind: type[int | float] = int, default: int | float | None = None) -> Any:
        value = params.get(key)
        if value is None and default is None:
            raise ValueError(f"{where} does not state {key!r}, without which the model cannot be built")
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, kind)):
            raise ValueError(f"{where}: {key!r} must be {kind.__name__}, got {value!r}")
        return kind(value)

    if params.get("use_scaled_rope"):
        raise ValueError(f"{where} has use_scaled_rope, the angles of Llama 3.1: the model has LLaMA's alone")
    width, heads, multiple = read("dim"), read("n_heads"), read("multiple_of")
    for key, value in (("dim", width), ("n_heads", heads), ("multiple_of", multiple)):
        if value < 1:
            raise ValueError(f"{where}: {key!r} must be at least 1, got {value}")
    arguments = {
        "embed_dim": width,
        "num_layers": read("n_layers"),
        "num_heads": heads,
        "num_kv_heads": read("n_kv_heads", default=heads),
        "hidden_dim": compute_gated_width(width, multiple, read("ffn_dim_multiplier", float, 1.0)),
        "eps": read("norm_eps", float),
        "base": read("rope_theta", float, BASE),
    }
    if (vocabulary := read("vocab_size", default=-1)) >= 0:
        arguments["vocab_size"] = vocabulary
    if params.get("max_seq_len") is not None:
        arguments["context"] = read("max_seq_len")
    return arguments


def params_of(arguments: Mapping[str, Any], known_context: bool = False) -> dict[str, Any]:
    """Return the params.json of a LLaMA.

    Args:
        arguments: arguments of the constructor.
        known_context: True if every reader uses this context without max_seq_len.

    params.json states the hidden width by a formula; a width that the formula does not give is written as its own
    multiple. Meta's code refuses unknown keys. So rope_theta is written only if it is not the default, and max_seq_len
    only if a reader needs it: it must be removed for Meta's code.
    """
    width = arguments["hidden_dim"]
    usual = width == compute_gated_width(arguments["embed_dim"])
    half = width / (2 * compute_gated_width(arguments["embed_dim"], 1))  # rounded up to a multiple of the width
    return {
        "dim": arguments["embed_dim"],
        "n_layers": arguments["num_layers"],
        "n_heads": arguments["num_heads"],
        "n_kv_heads": arguments["num_kv_heads"],
        "vocab_size": arguments["vocab_size"],
        "norm_eps": arguments["eps"],
        **({"multiple_of": 256} if usual else {"multiple_of": width, "ffn_dim_multiplier": half}),
        **({} if arguments.get("base", BASE) == BASE else {"rope_theta": arguments["base"]}),
        **({} if known_context or arguments.get("context") is None else {"max_seq_len": arguments["context"]}),
    }
