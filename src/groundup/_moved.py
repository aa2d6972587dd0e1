"""Import paths of earlier versions: each still imports, with a `DeprecationWarning` that names the new path."""

from __future__ import annotations

import importlib
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

#: Old module → new module, below `groundup`; a package moves with everything in it. Not here: modules with the name of
#: a function of their package, such as `groundup.data.digits`; the import would put the module in its place.
MOVED = {
    "catalogue": "component",
    "classify": "tools.classify",
    "decoding": "generation",
    "decoding.generation": "generation.sampling",
    "fused": "kernels",
    "generate": "tools.text",
    "inspect": "tools.inspect",
    "models.labelling": "tools.labelling",
    "models.folding": "tools.folding",
    "models.transformer_networks.sparse_gpt": "models.transformer_networks.gpt",
    "models.visual_transformers.tokens": "models.visual_transformers.vit",
    "plan": "tools.plan",
    "pretrained": "weights",
    "pretrained.fetch": "weights.hub",
    "pretrained.files": "weights.weight_files",
    "pretrained.language": "weights.pretrained_language",
    "pretrained.loading": "weights.matching",
    "pretrained.model": "weights.pretrained",
    "pretrained.published": "weights.registry",
    "pretrained.table": "weights.weight_map",
    "saliency": "tools.saliency",
    **{f"data.{name}": f"data.vision.{name}" for name in ("cifar", "image_data", "preprocessing", "transforms")},
    **{f"data.{name}": f"data.text.{name}" for name in ("tokenizers", "vocabulary")},
    **{f"data.{name}": f"data.text.{name}" for name in ("word_contexts", "word_vectors")},
    "data.pairs": "data.text.sentence_pairs",
    "data.photo": "data.vision.image_files",
    "data.sequences": "data.text.batches",
    "data.tokens": "data.text.token_files",
    "data.known_graphs": "data.graphs.built_in",
    "data.sampling": "data.graphs.sampling",
    "data.ratings": "data.tables.ratings",
}


def new_path(path: str) -> str | None:
    """The path that took the place of `path`, a dotted name that starts with `groundup.`; None if it did not move."""
    parts = path.split(".")
    for end in range(len(parts), 1, -1):
        if (new := MOVED.get(".".join(parts[1:end]))) is not None:
            return ".".join([parts[0], new, *parts[end:]])
    return None


class _MovedLoader(Loader):
    def __init__(self, path: str) -> None:
        self.path = path

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is now {self.path}", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(self.path)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # it stays the module of its new path, executed once


class MovedFinder(MetaPathFinder):
    """Finds a module by its old path, after the usual finders found none."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if not fullname.startswith("groundup.") or (new := new_path(fullname)) is None:
            return None
        return ModuleSpec(fullname, _MovedLoader(new))
