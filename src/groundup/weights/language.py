"""Language models from published weights, and back.

GPT2.from_pretrained("gpt2")                         OpenAI's, from the Hugging Face hub
LLaMA2.from_pretrained("meta-llama/Llama-2-7b-hf")   a repository of the hub, or a folder like it: config.json and
                                                     model.safetensors or its shards
LLaMA2.from_pretrained("llama-2-7b")                 Meta's folder: params.json and consolidated.*.pth
model.save_pretrained("export", names="transformers")    for transformers; "meta" for Meta's code
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

from groundup import checks
from groundup.weights.config import CONFIG, OWN_NAMES, Config, read_object
from groundup.weights.consolidated import read_params, save_consolidated
from groundup.weights.files import PARAMS, metas_parts
from groundup.weights.language_formats import FORMATS
from groundup.weights.language_params import UNSTATED_CONTEXT, arguments_of, params_of
from groundup.weights.language_tables import meta_table
from groundup.weights.model import Pretrained
from groundup.weights.reading import Reading
from groundup.weights.saving import save_weights
from groundup.weights.table import Table, to_theirs

#: Short names, and the repositories of the hub that they mean.
REPOSITORIES = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}


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

    def save_pretrained(
        self, folder: str | Path, names: str = OWN_NAMES, max_shard_size: int | str = "5GB", **described: Any
    ) -> Path:
        """As `Pretrained` does; `names` "transformers" for that library, "meta" for Meta's code (LLaMA)."""
        if names == OWN_NAMES:
            return super().save_pretrained(folder, names, max_shard_size, **described)
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
