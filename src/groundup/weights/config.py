"""The config.json of saved weights: the class, its arguments, the tensors' names, preprocessing and class names.

The tensors alone do not determine a model: heads, activations and ε leave no trace in their shapes. `Config` is the
content that groundup writes; `read_config` reads it strictly, and from the files of other libraries what they state.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from groundup import checks
from groundup.data import ImagePreprocessing
from groundup.data.vision.transforms import Transform
from groundup.weights.registry import Preprocessing, class_names
from groundup.weights.weight_files import CONFIG, INDEX, SAFETENSORS, list_meta_parts

OWN_NAMES = "groundup"  # the tensors have the names of the model's state_dict
_FORM = 1
_PLACEMENT = ("device", "dtype")

#: The preprocessing of a published model, or the transforms of the evaluation after a training.
SavedPreprocessing = Preprocessing | ImagePreprocessing


@dataclass(frozen=True)
class Config:
    """The content of config.json.

    Args:
        model: name of the class; "" if another library wrote the file.
        arguments: arguments of its constructor, without device and dtype.
        names: whose names the tensors have: "groundup", or the name of a published row.
        preprocessing: preprocessing of images before the model; None if it is not known.
        class_names: names of the classes in the order of the scores; None if they are not known.
        foreign: the content of a file that another library wrote.
        meta_parts: the files of Meta's form, which has no config.json.

    Example:
        >>> Config("Linear", {"in_features": 3, "out_features": 2}).call
        'Linear(in_features=3, out_features=2)'
    """

    model: str = ""
    arguments: Mapping[str, Any] | None = None
    names: str = OWN_NAMES
    preprocessing: SavedPreprocessing | None = None
    class_names: tuple[str, ...] | None = None
    foreign: Mapping[str, Any] | None = None
    meta_parts: tuple[Path, ...] = ()

    @property
    def call(self) -> str:
        """The call of the constructor, for an error message."""
        given = ", ".join(f"{name}={value!r}" for name, value in (self.arguments or {}).items())
        return f"{self.model}({given})" if given else self.model

    def as_json(self) -> dict[str, Any]:
        """Return the content of config.json. Raises `ValueError` for an argument that JSON cannot hold."""
        arguments = {}
        for name, value in (self.arguments or {}).items():
            try:
                arguments[name] = _as_json(value)
            except TypeError:
                raise ValueError(
                    f"{CONFIG} cannot hold the argument {name} of {self.model}, {type(value).__name__}; save the "
                    "weights alone, with groundup.weights.save_weights, and load them with load_weights"
                ) from None
        known, given = "imagenet1k", self.preprocessing
        as_dict = given.to_dict() if isinstance(given, ImagePreprocessing) else given and asdict(given)
        return {
            "groundup": _FORM,
            "class": self.model,
            "arguments": arguments,
            "names": self.names,
            "preprocessing": _as_json(as_dict),
            "class_names": known if self.class_names == class_names(known) else self.class_names,
        }


def read_object(file: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds. Raises `ValueError`, naming the file, if it holds none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"it holds {type(content).__name__}, and not an object")
        return content
    except (OSError, ValueError, TypeError, RecursionError) as failure:
        raise ValueError(f"{file} cannot be understood: {failure!r}") from failure


def read_config(path: Path) -> Config | None:
    """Return the config.json of a folder of weights, or of the folder of a model.safetensors; None if there is none.

    Meta's parts have none: a config.json in their folder belongs to other weights, and the result names the parts.
    Raises `ValueError`, naming the file, if groundup wrote it and it is damaged or of a later form.
    """
    if parts := list_meta_parts(path):
        return Config(meta_parts=tuple(parts))
    if path.is_file() and path.name not in (SAFETENSORS, INDEX):
        return None
    file = (path if path.is_dir() else path.parent) / CONFIG
    if not file.is_file():
        return None
    content = read_object(file)
    try:
        if "groundup" not in content:
            return Config(preprocessing=_read_timm_preprocessing(content.get("pretrained_cfg")), foreign=content)
        if content["groundup"] != _FORM:
            raise ValueError(f"it is of the form {content['groundup']}, this groundup reads {_FORM}")
        names, preprocessing = content["class_names"], content["preprocessing"]
        for key, kind in (("class", str), ("arguments", dict), ("names", str)):
            if not isinstance(content[key], kind):
                raise TypeError(f"{key} is {content[key]!r}")
        return Config(
            content["class"],
            _to_tuples(content["arguments"]),
            content["names"],
            None if preprocessing is None else _read_preprocessing(_to_tuples(preprocessing)),
            class_names(names) if isinstance(names, str) else names and tuple(names),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as failure:
        raise ValueError(f"{file} cannot be understood: {failure!r}") from failure


def _read_preprocessing(content: Mapping[str, Any]) -> SavedPreprocessing:
    """Return the preprocessing that config.json holds. Raises an error that names what is wrong with it."""
    if "transforms" in content:
        return ImagePreprocessing.from_dict(content)
    preprocessing = Preprocessing(**content)
    preprocessing.transform()  # refuses invalid values now, instead of at the first image
    return preprocessing


def _read_timm_preprocessing(published: Mapping[str, Any] | None) -> SavedPreprocessing | None:
    """Return the preprocessing that timm states; its crop_pct is the side of the crop over the shorter side."""
    if not published or "input_size" not in published:
        return None
    crop = published["input_size"][-1]
    return _read_preprocessing(
        {
            "crop": crop,
            "resize": int(crop / published.get("crop_pct", 0.875)),
            "mean": tuple(published["mean"]),
            "std": tuple(published["std"]),
            "interpolation": published.get("interpolation", "bilinear"),
        }
    )


def check_preprocessing(given: SavedPreprocessing | Transform, model: Any) -> SavedPreprocessing:
    """Return `given`, a transform as an `ImagePreprocessing`. Raises `ValueError` if its channels are not the model's.

    Raises `TypeError` for an object that is not callable.
    """
    if not isinstance(given, SavedPreprocessing):
        if not callable(given):
            raise TypeError(f"preprocessing must be a transform or an ImagePreprocessing, got {given!r}")
        given = ImagePreprocessing(given)
    channels = getattr(model, "in_channels", None)
    checks.require(
        given.channels is None or channels is None or given.channels == channels,
        f"preprocessing decodes images with {given.channels} channels, {type(model).__name__} takes {channels}: "
        f"give channels={channels}",
    )
    return given


def check_class_names(given: Sequence[str], model: Any) -> tuple[str, ...]:
    """Return `given` as a tuple. Raises `TypeError` or `ValueError` unless it holds one name per class of the model."""
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"class_names must be a sequence of str, got {given!r}")
    classes = getattr(model, "num_classes", len(given))
    checks.require(
        len(given) == classes,
        f"class_names must have a name for each of the {classes} classes of {type(model).__name__}, got {len(given)}",
    )
    return tuple(given)


def bind_arguments(cls: type[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of the constructor, without device and dtype; {} for an invalid call."""
    signature = inspect.signature(cls.__init__)
    try:
        bound = signature.bind_partial(None, *args, **kwargs).arguments
    except TypeError:
        return {}
    given: dict[str, Any] = {}
    for name, parameter in list(signature.parameters.items())[1:]:
        if name in bound:
            given |= bound[name] if parameter.kind is parameter.VAR_KEYWORD else {name: bound[name]}
    return {name: value for name, value in given.items() if name not in _PLACEMENT}


def list_different_arguments(cls: type[Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the arguments, except num_classes, in which two calls of the constructor differ."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}
    left, right = ({**defaults, **_to_tuples(dict(arguments))} for arguments in (one, other))
    return [name for name in left | right if name != "num_classes" and left.get(name) != right.get(name)]


def _as_json(value: Any) -> Any:
    """Return the value as JSON reads it back: tuples become lists, NumPy's numbers become Python's."""
    return json.loads(json.dumps(value, default=_to_python_number))


def _to_python_number(value: Any) -> int | float:
    """Return a number of another library, such as NumPy, as Python's; constructors accept both."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no number")


def _to_tuples(value: Any) -> Any:
    """Return the value with tuples for lists, the inverse of `_as_json`."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_to_tuples, value))
    return {key: _to_tuples(entry) for key, entry in value.items()} if isinstance(value, dict) else value
