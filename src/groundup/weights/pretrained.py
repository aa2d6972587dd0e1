"""Base class of models that load published weights, and save weights that can be loaded again.

model = ResNet50.from_pretrained("torchvision/resnet50")        published weights, by name
model = ResNet50.from_pretrained("my/folder", num_classes=5)    a folder, a file, an address, a hub repository
model.save_pretrained("my/folder")                              to load it again
model.save_pretrained("export", names="torchvision")            under the names of a library that will load it
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
from groundup.weights.config import (
    OWN_NAMES,
    Config,
    SavedPreprocessing,
    bind_arguments,
    check_class_names,
    check_preprocessing,
    list_different_arguments,
    read_config,
)
from groundup.weights.hub import fetch, locate
from groundup.weights.matching import Candidate, build_model, candidate_from_row, choose_candidate, list_candidates
from groundup.weights.registry import Published, class_names
from groundup.weights.saving import save_weights
from groundup.weights.weight_files import open_weights
from groundup.weights.weight_map import Table, WeightError, to_ours, to_theirs

logger = logging.getLogger("groundup")
M = TypeVar("M", bound="Pretrained")


class Pretrained:
    """Mixin for an `nn.Module` whose constructor takes `device` and `dtype`; it records the other arguments.

    Example:
        >>> from groundup.models import ResNet50
        >>> model = ResNet50(num_classes=2)
        >>> model.init_arguments
        {'num_classes': 2}
        >>> folder = model.save_pretrained(getfixture("tmp_path") / "model")
        >>> ResNet50.from_pretrained(folder).num_classes
        2
    """

    #: Named arguments of the constructor, as the paper or a publisher has them.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    #: Short names of hub repositories and addresses.
    aliases: ClassVar[Mapping[str, str]] = {}
    #: Arguments that the constructor was called with, by name, without device and dtype: config.json states them.
    init_arguments: dict[str, Any]
    #: Preprocessing that the weights were trained with, and names of the classes; None if they are not known.
    preprocessing: SavedPreprocessing | None = None
    class_names: tuple[str, ...] | None = None

    def __new__(cls: type[M], *args: Any, **kwargs: Any) -> M:
        model = super().__new__(cls)
        object.__setattr__(model, "init_arguments", bind_arguments(cls, args, kwargs))  # nn.Module is not ready yet
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
        """Build the model and load weights, strictly; return it in `eval` mode.

        Args:
            name_or_path: a published name, a file, a folder, an address, or a hub repository.
            preset: key of `presets` with the model's arguments, for a file that does not state them; by default those
                of the constructor.
            device, dtype: of the model; the file's precision is converted.
            table: weight map, or the published name of one, for a file that does not state its names; by default
                every known one is tried, and the one that fits strictly is used.
            changes: other arguments of the constructor. With another `num_classes` than the file's, the tensors that
                depend on it keep their initial values, and a warning in the log names them.

        `preprocessing` and `class_names` are set if they are known. Raises `WeightError`, before any tensor is copied,
        unless every tensor has its place; `DownloadError` if the file cannot be downloaded; `ValueError` for an
        unknown name.
        """
        name = str(name_or_path)
        checks.require(
            name.strip() != "", "name_or_path is empty: give a published name, a file or folder, or a repository"
        )
        here = Path(name).expanduser().exists()
        if not here and (row := registry.find(name)) is not None:
            choices = [candidate_from_row(row, cls, preset)]  # may raise, before the download
            return cls._load(name, fetch(row.address, row.sha256), None, choices, device, dtype, changes)
        path = locate(name, cls.aliases)
        config = read_config(path)
        choices = cls._candidates(path, config, preset, table)
        return cls._load(name, path, config, choices, device, dtype, changes)

    @classmethod
    def load_folder(
        cls: type[M],
        folder: Path,
        config: Config | None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> M:
        """Load a folder whose config.json, as `read_config` returns it, has been read already."""
        return cls._load(str(folder), folder, config, cls._candidates(folder, config, "", None), device, dtype, {})

    @classmethod
    def _load(
        cls: type[M],
        name: str,
        path: Path,
        config: Config | None,
        choices: list[Candidate],
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        changes: Mapping[str, Any],
    ) -> M:
        weights = open_weights(path, () if config is None else config.meta_parts)
        fit = choose_candidate(choices, weights, changes, dtype)
        candidate, fitting = fit.candidate, fit.arguments
        model, fresh = build_model(fit, weights, changes, device, dtype)
        if fresh:
            logger.warning(
                "%s: the weights are for %d classes, the model for %d: %s start afresh, and are still to be trained",
                *(name, fitting["num_classes"], changes["num_classes"], ", ".join(fresh)),
            )
        model._describe(candidate.row, config, fresh)
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
        """Write model.safetensors, or shards of it, and config.json; return the folder.

        Args:
            folder: created if need be.
            names: "groundup" for the model's own names; a publisher, as "torchvision" or "torchvision/resnet50", for
                those that its library loads strictly. `from_pretrained(folder)` reads either.
            max_shard_size: largest size of a file, in bytes or as "200MB".
            preprocessing: transform of the evaluation, or an `ImagePreprocessing`, which also states the size and the
                channels that a file is decoded in; by default `model.preprocessing`.
            class_names: names of the classes in the order of the scores; by default `model.class_names`.

        Raises `ValueError` or `TypeError` for a preprocessing that a file cannot hold or that does not fit the model,
        and for another number of class names than the model has classes.

            model.save_pretrained("runs/pets/model", preprocessing=Compose(ToFloat(), Normalize(0.5, 0.25)),
                                  class_names=train.class_names)
        """
        chosen = check_preprocessing(preprocessing, self) if preprocessing is not None else self.preprocessing
        named = check_class_names(class_names, self) if class_names is not None else self.class_names
        tensors, written = self._state(), OWN_NAMES
        if names != OWN_NAMES:
            row = self._find_published(names)
            tensors, written = to_theirs(row.table, tensors), row.name
        config = Config(type(self).__name__, self.init_arguments, written, chosen, named)
        return save_weights(tensors, folder, max_shard_size, config.as_json())

    @classmethod
    def _candidates(cls, path: Path, config: Config | None, preset: str, table: str | Table | None) -> list[Candidate]:
        """Return the candidates for the weights at a path; subclasses add formats of their own."""
        return list_candidates(cls, path, config, preset, table)

    def _state(self) -> dict[str, Tensor]:
        assert isinstance(self, torch.nn.Module)
        return self.state_dict()

    def _describe(self, row: Published | None, config: Config | None, fresh: list[str]) -> None:
        """Set `preprocessing` and `class_names` where they are known."""
        names: tuple[str, ...] | None = None
        if row is not None:
            self.preprocessing, names = row.preprocessing, class_names(row.classes)
        if config is not None:
            self.preprocessing = config.preprocessing or self.preprocessing
            names = config.class_names or names
        if names and not fresh and len(names) == getattr(self, "num_classes", None):
            self.class_names = names

    def _find_published(self, names: str) -> Published:
        """Return the published row of that name, or the best one of that publisher, whose tensors this model has."""
        chosen, sources = [], set()
        for row in registry.published_weights():
            source = row.name.split("/")[0]
            try:
                candidate = candidate_from_row(row, type(self))
            except ValueError:
                continue
            sources.add(source)
            if names in (row.name, source):
                chosen.append((row, candidate))
        if not chosen:
            raise ValueError(
                f"names must be {OWN_NAMES!r} or who has published a {type(self).__name__}, which is "
                f"{', '.join(sorted(sources)) or 'nobody'}; got {names!r}"
            )
        fits, failures = [], []
        for row, candidate in chosen:
            try:
                self._check_exchange(candidate)
                fits.append((list_different_arguments(type(self), self.init_arguments, candidate.arguments), row))
            except WeightError as failure:
                failures.append(f"{row.name}: {failure}")
        if not fits:
            raise WeightError(f"the model does not fit what is published; {failures[0]}")
        different, best = min(fits, key=lambda fit: len(fit[0]))
        if different:
            logger.warning("%s has the same tensors, but is built with other %s", best.name, ", ".join(different))
        return best

    def _check_exchange(self, candidate: Candidate) -> None:
        """Raise `WeightError` unless the tensors convert to the other names and back."""
        state = {name: tensor.to("meta") for name, tensor in self._state().items()}
        to_ours(candidate.table, to_theirs(candidate.table, state), state)
