"""Meta's params.json, and the arguments of a LLaMA that it describes.

It does not tell LLaMA 1 from Llama 2, nor how long a text may be, which Meta's code is told by its caller: without
max_seq_len the context is that of the class that reads it, 2048 for `LLaMA1` and 4096 for `LLaMA2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundup.layers.activation import gated_width

#: The base of Meta's code where params.json states none: Code Llama's states one.
BASE = 10000.0
#: Llama 2's context, which `groundup.tools.text` takes of a folder that states none.
UNSTATED_CONTEXT = 4096


def arguments_of(params: Mapping[str, Any], where: str | Path = "params.json") -> dict[str, Any]:
    """A LLaMA's arguments. A vocabulary of -1 is the tokenizer's, and left out, as a context is that is not stated.

    Raises `ValueError`, naming the file and the key, for what is missing, of another kind, or of a later LLaMA.
    """

    def stated(key: str, kind: type[int | float] = int, default: int | float | None = None) -> Any:
        value = params.get(key)
        if value is None and default is None:
            raise ValueError(f"{where} does not state {key!r}, without which the model cannot be built")
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, kind)):
            raise ValueError(f"{where}: {key!r} must be {kind.__name__}, got {value!r}")
        return kind(value)

    if params.get("use_scaled_rope"):
        raise ValueError(f"{where} has use_scaled_rope, the angles of Llama 3.1: the model has LLaMA's alone")
    width, heads, multiple = stated("dim"), stated("n_heads"), stated("multiple_of")
    for key, value in (("dim", width), ("n_heads", heads), ("multiple_of", multiple)):
        if value < 1:
            raise ValueError(f"{where}: {key!r} must be at least 1, got {value}")
    arguments = {
        "embed_dim": width,
        "num_layers": stated("n_layers"),
        "num_heads": heads,
        "num_kv_heads": stated("n_kv_heads", default=heads),
        "hidden_dim": gated_width(width, multiple, stated("ffn_dim_multiplier", float, 1.0)),
        "eps": stated("norm_eps", float),
        "base": stated("rope_theta", float, BASE),
    }
    if (vocabulary := stated("vocab_size", default=-1)) >= 0:
        arguments["vocab_size"] = vocabulary
    if params.get("max_seq_len") is not None:
        arguments["context"] = stated("max_seq_len")
    return arguments


def params_of(arguments: Mapping[str, Any], known_context: bool = False) -> dict[str, Any]:
    """Of a LLaMA's arguments; what the formula does not give as a width, one multiple does.

    Meta's code refuses keys that it does not know. So rope_theta is written where it is not what is taken without it,
    and max_seq_len unless every reader takes that context by itself: it has to be taken out for Meta's code.
    """
    width = arguments["hidden_dim"]
    usual = width == gated_width(arguments["embed_dim"])
    half = width / (2 * gated_width(arguments["embed_dim"], 1))  # rounded up to one multiple of the width itself
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
