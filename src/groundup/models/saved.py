"""Save a model into a folder that names its class, and load it from the folder alone.

    save_model(model, "runs/pets/model", preprocessing=Compose(ToFloat(), Normalize(0.5, 0.25)), class_names=names)
    model = load_model("runs/pets/model")        # in eval mode, with .preprocessing and .class_names

`groundup classify photo.jpg --model runs/pets/model` does the same from the command line.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import groundup.models
from groundup.data.vision.transforms import Transform
from groundup.weights import Pretrained, save_weights
from groundup.weights.config import (
    OWN_NAMES,
    Config,
    SavedPreprocessing,
    check_class_names,
    check_preprocessing,
    read_config,
)
from groundup.weights.matching import Candidate, build_model, choose_candidate
from groundup.weights.sequential import SEQUENTIAL, build_sequential, describe
from groundup.weights.weight_files import CONFIG, open_weights
from groundup.weights.weight_map import SAME_NAMES


def save_model(
    model: nn.Module,
    folder: str | Path,
    *,
    preprocessing: SavedPreprocessing | Transform | None = None,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Write a model of `groundup.models`, or a `Sequential` of `groundup.layers`, for `load_model`; return the folder.

    preprocessing    what is done to an image before the model sees it, see `Pretrained.save_pretrained`
    class_names      the names of the scores, in their order

    The folder holds model.safetensors and config.json: names, numbers and tensors, nothing that is executed.
    Raises `TypeError` for another kind of model and `ValueError` for a layer that a file cannot describe.
    """
    if isinstance(model, Pretrained):
        return model.save_pretrained(folder, preprocessing=preprocessing, class_names=class_names)
    if type(model) is not nn.Sequential:
        raise TypeError(
            f"model must be a model of groundup.models or a Sequential of groundup.layers, got {type(model).__name__}; "
            "derive it from groundup.models.classifier.ImageClassifier, or save its weights alone with save_weights"
        )
    seen = None if preprocessing is None else check_preprocessing(preprocessing, model)
    named = None if class_names is None else check_class_names(class_names, model)
    config = Config(SEQUENTIAL, {"layers": describe(model)}, OWN_NAMES, seen, named)
    return save_weights(model.state_dict(), folder, config=config.as_json())


def load_model(
    folder: str | Path, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> Any:
    """Return the model that `save_model` or `save_pretrained` wrote, in eval mode.

    It has the attributes `preprocessing` and `class_names`. A class of your own is found if it was imported.

    Args:
        folder: the folder of the model, or of a run with the model in `model/`.
        device, dtype: of the parameters.

    Raises `FileNotFoundError` if there is no such folder, and `ValueError` if it does not name its model.
    """
    path = find_model_folder(folder)
    config = read_config(path)
    if config is None or not config.model:
        raise ValueError(
            f"{path} does not say which model it holds: its {CONFIG} is not one that groundup wrote, or is missing; "
            f'name the class, as in ResNet50.from_pretrained("{path}")'
        )
    if config.model != SEQUENTIAL:
        classes = model_classes()
        if config.model not in classes:
            raise ValueError(
                f"{path} holds a {config.model}, which is no class of groundup.models; import the module that defines "
                "it, and load it there"
            )
        return classes[config.model].load_folder(path, config, device=device, dtype=dtype)
    weights = open_weights(path)
    candidate = Candidate(f"its {CONFIG} says", build_sequential, config.arguments or {}, SAME_NAMES)
    model, _ = build_model(choose_candidate([candidate], weights, {}, dtype), weights, {}, device, dtype)
    model.preprocessing, model.class_names = config.preprocessing, config.class_names
    return model.eval()


def find_model_folder(folder: str | Path) -> Path:
    """Return `folder`, or its `model/` if it is the folder of a run. Raises `FileNotFoundError` if there is none."""
    path = Path(folder).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"there is no folder {path}")
    inside = path / "model"
    return inside if (inside / CONFIG).is_file() else path


def model_classes() -> dict[str, type[Pretrained]]:
    """Return every class that can be saved and loaded, by name: those of groundup.models and their subclasses."""
    for module in pkgutil.walk_packages(groundup.models.__path__, f"{groundup.models.__name__}."):
        importlib.import_module(module.name)

    def list_subclasses(cls: type[Any]) -> Iterator[type[Any]]:
        for child in cls.__subclasses__():
            yield child
            yield from list_subclasses(child)

    found = list(list_subclasses(Pretrained))
    found.sort(key=lambda cls: cls.__module__.startswith("groundup."))  # so that ours win
    return {cls.__name__: cls for cls in found}
