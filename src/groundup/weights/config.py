"""config.json beside saved weights: the class, its arguments, whose names the tensors have, and what they mean."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from groundup.weights.classes import class_names
from groundup.weights.files import INDEX, SAFETENSORS, metas_parts
from groundup.weights.images import SavedPreprocessing, preprocessing_from_dict, preprocessing_to_dict

CONFIG = "config.json"
OWN_NAMES = "groundup"  # the tensors are called as in the model's state_dict
_FORM = 1
_PLACEMENT = ("device", "dtype")


@dataclass(frozen=True)
class Config:
    """What a folder of weights says about itself. Another library's says less: then `model` is ""."""

    model: str = ""
    arguments: Mapping[str, Any] | None = None
    names: str = OWN_NAMES
    preprocessing: SavedPreprocessing | None = None
    class_names: tuple[str, ...] | None = None

    @property
    def call(self) -> str:
        """The constructor's call, for an error message."""
        given = ", ".join(f"{name}={value!r}" for name, value in (self.arguments or {}).items())
        return f"{self.model}({given})" if given else self.model

    def as_json(self) -> dict[str, Any]:
        """The content of config.json. Raises `ValueError` for an argument that JSON cannot hold."""
        arguments = {}
        for name, value in (self.arguments or {}).items():
            try:
                arguments[name] = _as_json(value)
            except TypeError:
                raise ValueError(
                    f"{CONFIG} cannot hold the argument {name} of {self.model}, {type(value).__name__}; save the "
                    "weights alone, with groundup.weights.save_weights, and load them with load_weights"
                ) from None
        known, seen = "imagenet1k", self.preprocessing
        return {
            "groundup": _FORM,
            "class": self.model,
            "arguments": arguments,
            "names": self.names,
            "preprocessing": None if seen is None else _as_json(preprocessing_to_dict(seen)),
            "class_names": known if self.class_names == class_names(known) else self.class_names,
        }


def read_object(file: Path) -> dict[str, Any]:
    """What a file of JSON holds by name. Raises `ValueError`, naming the file, when it is garbled."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"it holds {type(content).__name__}, and not an object")
        return content
    except (OSError, ValueError, TypeError, RecursionError) as failure:
        raise ValueError(f"{file} cannot be understood: {failure!r}") from failure


def read_config(path: Path) -> Config | None:
    """The config.json of a folder of weights, or beside the model.safetensors of one; None where there is none.

    Meta's parts have none: what lies beside them is something else's.
    Raises `ValueError`, naming the file, when it is ours and garbled, or of a later form.
    """
    if (path.is_file() and path.name not in (SAFETENSORS, INDEX)) or metas_parts(path):
        return None
    file = (path if path.is_dir() else path.parent) / CONFIG
    if not file.is_file():
        return None
    content = read_object(file)
    try:
        if "groundup" not in content:
            return Config(preprocessing=_timms(content.get("pretrained_cfg")))
        if content["groundup"] != _FORM:
            raise ValueError(f"it is of the form {content['groundup']}, this groundup reads {_FORM}")
        names, seen = content["class_names"], content["preprocessing"]
        for key, kind in (("class", str), ("arguments", dict), ("names", str)):
            if not isinstance(content[key], kind):
                raise TypeError(f"{key} is {content[key]!r}")
        return Config(
            content["class"],
            _tuples(content["arguments"]),
            content["names"],
            None if seen is None else preprocessing_from_dict(_tuples(seen)),
            class_names(names) if isinstance(names, str) else names and tuple(names),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as failure:
        raise ValueError(f"{file} cannot be understood: {failure!r}") from failure


def _timms(published: Mapping[str, Any] | None) -> SavedPreprocessing | None:
    """The preprocessing that timm states: crop_pct is the share of the shorter side that is cut out."""
    if not published or "input_size" not in published:
        return None
    crop = published["input_size"][-1]
    return preprocessing_from_dict(
        {
            "crop": crop,
            "resize": int(crop / published.get("crop_pct", 0.875)),
            "mean": tuple(published["mean"]),
            "std": tuple(published["std"]),
            "interpolation": published.get("interpolation", "bilinear"),
        }
    )


def arguments_by_name(cls: type[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call of the constructor, without device and dtype; {} for a call that it will refuse."""
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


def other_arguments(cls: type[Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The arguments, but for the number of classes, in which two calls of the constructor differ."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}
    left, right = ({**defaults, **_tuples(dict(arguments))} for arguments in (one, other))
    return [name for name in left | right if name != "num_classes" and left.get(name) != right.get(name)]


def _as_json(value: Any) -> Any:
    """The value as JSON returns it: tuples become lists, numbers of other libraries become Python's."""
    return json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> int | float:
    """A number of another library, as numpy's of counted classes, which the constructors take as well."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no number")


def _tuples(value: Any) -> Any:
    """Lists, which is what JSON makes of tuples, as tuples."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_tuples, value))
    return {key: _tuples(entry) for key, entry in value.items()} if isinstance(value, dict) else value
