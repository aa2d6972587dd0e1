"""Base class of language models: weights of transformers and of Meta, with their configurations, in both directions.

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
from groundup.weights.config import OWN_NAMES, Config
from groundup.weights.language_configs import FORMATS, UNSTATED_CONTEXT, arguments_of, params_of, read_params
from groundup.weights.language_tables import meta_table
from groundup.weights.matching import Candidate
from groundup.weights.pretrained import Pretrained
from groundup.weights.saving import save_consolidated, save_weights
from groundup.weights.weight_files import CONFIG, PARAMS
from groundup.weights.weight_map import Table, to_theirs

#: Short names of repositories on the hub.
REPOSITORIES = {name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")}


class PretrainedLanguageModel(Pretrained):
    """Mixin for a language model, in the place of `Pretrained`.

    Example:
        >>> from groundup.models import GPT2
        >>> model = GPT2(vocab_size=11, context=8, embed_dim=4, num_layers=1, num_heads=2)
        >>> folder = model.save_pretrained(getfixture("tmp_path") / "gpt2", names="transformers")
        >>> GPT2.from_pretrained(folder).context
        8
    """

    aliases: ClassVar[Mapping[str, str]] = REPOSITORIES
    #: Key of `FORMATS`, the config.json that the model reads and writes.
    format: ClassVar[str | None] = None

    @classmethod
    def _candidates(cls, path: Path, config: Config | None, preset: str, table: str | Table | None) -> list[Candidate]:
        folder = path if path.is_dir() else path.parent
        if cls.format is None or preset or table is not None:
            return super()._candidates(path, config, preset, table)
        if cls.format == "llama" and config is not None and config.meta_parts:
            arguments = arguments_of(read_params(folder), folder / PARAMS)
            head_dim = arguments["embed_dim"] // arguments["num_heads"]
            return [Candidate("Meta's params.json says", cls, arguments, meta_table(head_dim))]
        if config is None or config.foreign is None:
            return super()._candidates(path, config, preset, table)
        arguments = FORMATS[cls.format].arguments(dict(config.foreign), folder / CONFIG)
        tied = {**_default_arguments(cls), **arguments}["tie_embeddings"]
        return [Candidate(f"its {CONFIG} says", cls, arguments, FORMATS[cls.format].table(tied))]

    def save_pretrained(
        self, folder: str | Path, names: str = OWN_NAMES, max_shard_size: int | str = "5GB", **described: Any
    ) -> Path:
        """Save as `Pretrained.save_pretrained`; `names` may also be "transformers" or, for LLaMA, "meta".

        Args:
            folder: created if need be.
            names: "groundup"; "transformers" for that library, with its config.json; "meta" for Meta's code.
            max_shard_size: largest size of a file, in bytes or as "200MB".
            described: preprocessing and class_names, as for `Pretrained.save_pretrained`.

        Raises `ValueError` for a model with tied embeddings and names="meta", whose files have a separate head.
        """
        if names == OWN_NAMES:
            return super().save_pretrained(folder, names, max_shard_size, **described)
        others = {"gpt2": ("transformers",), "llama": ("transformers", "meta")}.get(self.format or "", ())
        checks.choice("names", names, (OWN_NAMES, *others))
        arguments = {**_default_arguments(type(self)), **self.init_arguments}
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


def _default_arguments(cls: type[Any]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in signature(cls).parameters.items()}
