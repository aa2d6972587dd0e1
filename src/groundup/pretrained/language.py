"""Language models from published weights, and back.

GPT2.from_pretrained("gpt2")                         OpenAI's, from the Hugging Face hub
LLaMA2.from_pretrained("meta-llama/Llama-2-7b-hf")   a repository of the hub, or a folder like it: config.json and
                                                     model.safetensors or its shards
LLaMA2.from_pretrained("llama-2-7b")                 Meta's folder: params.json and consolidated.*.pth
model.save_pretrained("export", names="transformers")    for transformers; "meta" for Meta's code
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

from groundup import checks
from groundup.pretrained.config import CONFIG, OWN_NAMES, Config, read_object
from groundup.pretrained.consolidated import read_params, save_consolidated
from groundup.pretrained.files import PARAMS, metas_parts
from groundup.pretrained.language_params import UNSTATED_CONTEXT, arguments_of, params_of
from groundup.pretrained.language_tables import gpt2_table, llama_table, meta_table
from groundup.pretrained.model import Pretrained
from groundup.pretrained.reading import Reading
from groundup.pretrained.saving import save_weights
from groundup.pretrained.table import Table, to_theirs

#: Short names, and the repositories of the hub that they mean.
REPOSITORIES = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}


@dataclass(frozen=True)
class Format:
    """How Hugging Face's config.json describes a kind of model.

    keys     our argument → its key, or several that say the same, of which the first is read
    fixed    its keys that have to have this value where they are given: the model does nothing else
    """

    model_type: str
    architecture: str
    keys: Mapping[str, str | tuple[str, ...]]
    table: Callable[[bool], Table]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, config: Mapping[str, Any], where: Path) -> dict[str, Any]:
        """The constructor's. Raises `ValueError` for a model that this is not."""
        if config.get("model_type") != self.model_type:
            raise ValueError(f"{where} describes a {config.get('model_type')!r}, and not a {self.model_type!r}")
        flat = {**config, **(config.get("rope_parameters") or {})}
        for name, value in self.fixed.items():
            if flat.get(name) not in (None, value):
                raise ValueError(f"{where} has {name}={flat[name]!r}, and this model is written for {value!r} alone")
        first = {ours: theirs if isinstance(theirs, str) else theirs[0] for ours, theirs in self.keys.items()}
        return {ours: flat[theirs] for ours, theirs in first.items() if flat.get(theirs) is not None}

    def config(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The config.json of a model that was built with these arguments."""
        named = {
            key: arguments[ours]
            for ours, theirs in self.keys.items()
            for key in ((theirs,) if isinstance(theirs, str) else theirs)
            if arguments.get(ours) is not None
        }
        return {"model_type": self.model_type, "architectures": [self.architecture], **self.fixed, **named}


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
        "activation_function": "gelu_new",
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    },
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
    {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "rope_type": "default", "rope_scaling": None},
)
FORMATS = {"gpt2": _GPT2, "llama": _LLAMA}


class PretrainedLanguageModel(Pretrained):
    """Mixed in in `Pretrained`'s place."""

    aliases: ClassVar[Mapping[str, str]] = REPOSITORIES
    #: Whose config.json the model understands, of `FORMATS`.
    format: ClassVar[str | None] = None

    @classmethod
    def _readings(cls, path: Path, config: Config | None, preset: str, table: str | Table | None) -> list[Reading]:
        folder = path if path.is_dir() else path.parent
        if cls.format is None or preset or table is not None:
            return super()._readings(path, config, preset, table)
        if cls.format == "llama" and metas_parts(path):
            arguments = arguments_of(read_params(folder), folder / PARAMS)
            head_dim = arguments["embed_dim"] // arguments["num_heads"]
            return [Reading("Meta's params.json says", cls, arguments, meta_table(head_dim))]
        if (config is not None and config.model) or not (folder / CONFIG).is_file():
            return super()._readings(path, config, preset, table)
        arguments = FORMATS[cls.format].arguments(read_object(folder / CONFIG), folder / CONFIG)
        tied = {**_defaults(cls), **arguments}["tie_embeddings"]
        return [Reading(f"its {CONFIG} says", cls, arguments, FORMATS[cls.format].table(tied))]

    def save_pretrained(self, folder: str | Path, names: str = OWN_NAMES, max_shard_size: int | str = "5GB") -> Path:
        """As `Pretrained` does; `names` "transformers" for that library, "meta" for Meta's code (LLaMA)."""
        if names == OWN_NAMES:
            return super().save_pretrained(folder, names, max_shard_size)
        others = {"gpt2": ("transformers",), "llama": ("transformers", "meta")}.get(self.format or "", ())
        checks.choice("names", names, (OWN_NAMES, *others))
        arguments = {**_defaults(type(self)), **self.init_arguments}
        if names == "meta":
            if arguments["tie_embeddings"]:
                raise ValueError('names="meta": its files have a head; build the model with tie_embeddings=False')
            head_dim = arguments["embed_dim"] // arguments["num_heads"]
            known = arguments["context"] == getattr(self, "paper_context", None) == UNSTATED_CONTEXT
            tensors = to_theirs(meta_table(head_dim), self._state())
            return save_consolidated(tensors, Path(folder).expanduser(), params_of(arguments, known))
        form = FORMATS[self.format or ""]
        tensors = to_theirs(form.table(arguments["tie_embeddings"]), self._state())
        return save_weights(tensors, folder, max_shard_size, form.config(arguments))


def _defaults(cls: type[Any]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in signature(cls).parameters.items()}
