"""A model that loads what is published, and saves what can be loaded.

model = ResNet50.from_pretrained("torchvision/resnet50")        published weights, by name
model = ResNet50.from_pretrained("my/folder", num_classes=5)    a folder, a file, an address, a hub repository
model.save_pretrained("my/folder")                              to be loaded again
model.save_pretrained("export", names="torchvision")            under the names of a library that shall load it
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from groundup import checks
from groundup.data.vision.transforms import Transform
from groundup.weights import registry
from groundup.weights.classes import class_names
from groundup.weights.config import OWN_NAMES, Config, arguments_by_name, other_arguments, read_config
from groundup.weights.fetch import fetch
from groundup.weights.files import open_weights
from groundup.weights.images import SavedPreprocessing, fitting_names, fitting_preprocessing
from groundup.weights.loading import build, locate
from groundup.weights.published import Published
from groundup.weights.reading import Reading, reading_of, readings, understood
from groundup.weights.saving import save_weights
from groundup.weights.table import Table, WeightError, to_ours, to_theirs

logger = logging.getLogger("groundup")
M = TypeVar("M", bound="Pretrained")


class Pretrained:
    """Mixed into an `nn.Module` whose constructor takes `device` and `dtype`; it remembers the other arguments."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]]

    #: Short names of what can be found elsewhere.
    aliases: ClassVar[Mapping[str, str]] = {}
    #: What the constructor was given, by name.
    init_arguments: dict[str, Any]
    #: What the weights were trained to see, and the names of the scores; None where nobody has said so.
    preprocessing: SavedPreprocessing | None = None
    class_names: tuple[str, ...] | None = None

    def __new__(cls: type[M], *args: Any, **kwargs: Any) -> M:
        model = super().__new__(cls)
        object.__setattr__(model, "init_arguments", arguments_by_name(cls, args, kwargs))  # nn.Module is not ready yet
        return model

    @classmethod
    def from_pretrained(
        cls: type[M],
        name_or_path: str | Path,
        *,
        preset: str = "",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        table: str | Table | None = None,
        **changes: Any,
    ) -> M:
        """The model with the weights that lie at that path, or are published by that name, address or hub repository.

        preset    of a file that does not say it: whose arguments the model has; the constructor's own by default
        table     of a file that does not say it: whose names the tensors have, a published name or a table; by default
                  all that is known of the model is tried, and what fits strictly is taken
        changes   other arguments of the constructor. With `num_classes` other than the file's, what depends on it
                  stays at its initial values, and a line in the log says so.

        The model comes in `eval` mode, in `dtype` (whatever the file has), with `preprocessing` and `class_names`
        where they are known. Raises `WeightError` when not every tensor finds its place, before one is copied;
        `DownloadError` when the file cannot be had; `ValueError` for what is not known.
        """
        name, config = str(name_or_path), None
        checks.require(
            name.strip() != "", "name_or_path is empty: give a published name, a file or folder, or a repository"
        )
        here = Path(name).expanduser().exists()
        if not here and (row := registry.find(name)) is not None:
            choices = [reading_of(row, cls, preset)]  # may refuse, and does so before the download
            path = fetch(row.address, row.sha256)
        else:
            path = locate(name, cls.aliases)
            config = read_config(path)
            choices = cls._readings(path, config, preset, table)
        weights = open_weights(path)
        reading, fitting = understood(choices, weights, changes)
        model, fresh = build(reading, weights, fitting, changes, device, dtype)
        if fresh:
            logger.warning(
                "%s: the weights are for %d classes, the model for %d: %s start afresh, and are still to be trained",
                *(name, fitting["num_classes"], changes["num_classes"], ", ".join(fresh)),
            )
        model._describe(reading.row, config, fresh)
        return model.eval()

    def save_pretrained(
        self,
        folder: str | Path,
        names: str = OWN_NAMES,
        max_shard_size: int | str = "5GB",
        *,
        preprocessing: SavedPreprocessing | Transform | None = None,
        class_names: Sequence[str] | None = None,
    ) -> Path:
        """Write model.safetensors (or shards of at most `max_shard_size`) and config.json; return the folder.

        names            "groundup": the model's own; a publisher's, as "torchvision" or "torchvision/resnet50", are
                         those under which its library loads the file strictly. `from_pretrained(folder)` reads either
        preprocessing    what is done to an image before the model sees it: the transform of the evaluation, or an
                         `ImagePreprocessing` of it, which also says in what size and channels a file is decoded;
                         by default `model.preprocessing`
        class_names      the names of the scores, in their order; by default `model.class_names`

        Raises `ValueError` or `TypeError` for a preprocessing that a file cannot hold, or does not fit the model, and
        for another number of class names than the model has classes.

            model.save_pretrained("runs/pets/model", preprocessing=Compose(ToFloat(), Normalize(0.5, 0.25)),
                                  class_names=train.class_names)
        """
        seen = fitting_preprocessing(preprocessing, self) if preprocessing is not None else self.preprocessing
        named = fitting_names(class_names, self) if class_names is not None else self.class_names
        tensors, written = self._state(), OWN_NAMES
        if names != OWN_NAMES:
            row = self._published_as(names)
            tensors, written = to_theirs(row.table, tensors), row.name
        config = Config(type(self).__name__, self.init_arguments, written, seen, named)
        return save_weights(tensors, folder, max_shard_size, config.as_json())

    @classmethod
    def _readings(cls, path: Path, config: Config | None, preset: str, table: str | Table | None) -> list[Reading]:
        """The ways to read what lies at a path."""
        return readings(cls, path, config, preset, table)

    def _state(self) -> dict[str, Tensor]:
        assert isinstance(self, torch.nn.Module)
        return self.state_dict()

    def _describe(self, row: Published | None, config: Config | None, fresh: list[str]) -> None:
        """Set what is known of the images and of the classes."""
        names: tuple[str, ...] | None = None
        if row is not None:
            self.preprocessing, names = row.preprocessing, class_names(row.classes)
        if config is not None:
            self.preprocessing = config.preprocessing or self.preprocessing
            names = config.class_names or names
        if names and not fresh and len(names) == getattr(self, "num_classes", None):
            self.class_names = names

    def _published_as(self, names: str) -> Published:
        """What is published under that name, or by that publisher, and could be exchanged for this model."""
        chosen, sources = [], set()
        for row in registry.published_weights():
            source = row.name.split("/")[0]
            try:
                reading = reading_of(row, type(self))
            except ValueError:
                continue
            sources.add(source)
            if names in (row.name, source):
                chosen.append((row, reading))
        if not chosen:
            raise ValueError(
                f"names must be {OWN_NAMES!r} or who has published a {type(self).__name__}, which is "
                f"{', '.join(sorted(sources)) or 'nobody'}; got {names!r}"
            )
        fits, failures = [], []
        for row, reading in chosen:
            try:
                self._exchanged(reading)
                fits.append((other_arguments(type(self), self.init_arguments, reading.arguments), row))
            except WeightError as failure:
                failures.append(f"{row.name}: {failure}")
        if not fits:
            raise WeightError(f"the model does not fit what is published; {failures[0]}")
        different, best = min(fits, key=lambda fit: len(fit[0]))
        if different:
            logger.warning("%s has the same tensors, but is built with other %s", best.name, ", ".join(different))
        return best

    def _exchanged(self, reading: Reading) -> None:
        """Raise `WeightError` unless the tensors go over to the other names and come back as they were."""
        state = {name: tensor.to("meta") for name, tensor in self._state().items()}
        to_ours(reading.table, to_theirs(reading.table, state), state)
