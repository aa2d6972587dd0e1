"""The record of a component, which a decorator above its class states, and the list of all records.

    @component(53, "Adam with decoupled weight decay", paper=_LOSHCHILOV, oracle="torch.optim.AdamW")
    class AdamW(Adam): ...

README, docs/components.md, `groundup list` and `groundup show`, and the sweeps of the tests read these records.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Family: its title, and the package that its components are imported from.
FAMILIES = {
    "layers": ("Layers", "groundup.layers"),
    "autoencoders": ("Autoencoders", "groundup.autoencoders"),
    "optimizers": ("Optimizers and schedulers", "groundup.optimizers"),
    "shallow": ("Shallow models", "groundup.models.shallow_models"),
    "energy": ("Energy-based models", "groundup.models.energy_based_models"),
    "recurrent": ("Recurrent networks", "groundup.models.recurrent_networks"),
    "convolutional": ("Convolutional networks", "groundup.models.convolutional_networks"),
    "residual": ("Residual networks", "groundup.models.residual_networks"),
    "graph": ("Graph networks", "groundup.models.graph_networks"),
    "attention": ("Attention networks", "groundup.models.attention_networks"),
    "transformer": ("Transformer networks", "groundup.models.transformer_networks"),
    "vision": ("Visual transformers", "groundup.models.visual_transformers"),
    "blocks": ("Convolutional blocks", "groundup.models.blocks"),
}
#: How a citation names a place, and the address that it stands for.
_PLACES = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/", "https": "https:"}
_registry: dict[int, Component] = {}


@dataclass(frozen=True)
class Component:
    """One component: its class, its source in the literature, its proof, and a call of it.

    Attributes:
        number: its place in the list.
        made: the class itself.
        family: a key of `FAMILIES`.
        summary: what it is, in a few words.
        paper: authors, year and title.
        url: the address of the paper.
        oracle: the implementation that it is proven equal to.
        example: a call, as in "Linear(64, 32)(torch.randn(1, 64))". It may use torch, the names of groundup.layers and
            those of the component's own package.
        figures: numbers that the paper states, by what they count.
    """

    number: int
    made: type
    family: str
    summary: str
    paper: str
    url: str
    oracle: str
    example: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.made.__name__

    @property
    def module(self) -> str:
        """The package that it is imported from."""
        return FAMILIES[self.family][1]

    @property
    def source(self) -> Path:
        """The file that defines it."""
        return Path(inspect.getfile(self.made))


def component(
    number: int,
    summary: str,
    paper: str,
    oracle: str,
    example: str = "",
    figures: Mapping[str, str] | None = None,
) -> Callable[[type[T]], type[T]]:
    """Record a class as a component. The class itself is not changed.

    Args:
        number, summary, oracle, example, figures: see `Component`.
        paper: authors, year, title, and where it is: "arXiv:1412.6980", "doi:10.1109/5.726791" or an address.

    Returns:
        A decorator of the class.

    Example:
        >>> find("Linear").number, find("Linear").oracle
        (1, 'torch.nn.Linear')
    """
    citation, _, place = paper.rpartition(", ")
    kind, _, rest = place.partition(":")
    assert kind in _PLACES, f"paper must end in an address or {', '.join(_PLACES)}: and a number, got {place!r}"
    url = _PLACES[kind] + rest

    def record(made: type[T]) -> type[T]:
        other = _registry.get(number)
        assert other is None or other.name == made.__name__, f"{other.name} has the number {number} already"
        [family] = [key for key, (_, package) in FAMILIES.items() if f"{made.__module__}.".startswith(f"{package}.")]
        _registry[number] = Component(number, made, family, summary, citation, url, oracle, example, figures or {})
        return made

    return record


def all_components() -> tuple[Component, ...]:
    """Return all components in the order of their numbers, after importing the packages that define them.

    Example:
        >>> len(all_components())
        123
    """
    for _, package in FAMILIES.values():
        importlib.import_module(package)
    return tuple(_registry[number] for number in sorted(_registry))


def by_family(only: str = "") -> dict[str, list[Component]]:
    """Return the components of each family by its title, or of one family.

    Args:
        only: a title, a key of `FAMILIES`, or the name of a package, in upper or lower case.

    Raises:
        ValueError: for an unknown name; the message suggests similar ones.

    Example:
        >>> [component.name for component in by_family("residual")["Residual networks"]][:2]
        ['ResNet34', 'ResNet50']
    """
    groups = {title: [c for c in all_components() if c.family == key] for key, (title, _) in FAMILIES.items()}
    if not only:
        return groups
    titles = {
        name.lower(): title
        for key, (title, package) in FAMILIES.items()
        for name in (title, key, package, package.rpartition(".")[2])
    }
    if only.lower() not in titles:
        similar = _suggest(only, titles)
        raise ValueError(f"there is no family {only!r}; {similar}choose one of {', '.join(groups)}")
    title = titles[only.lower()]
    return {title: groups[title]}


def find(name: str) -> Component:
    """Return the component of this name.

    Args:
        name: the name of its class, in upper or lower case.

    Raises:
        ValueError: for an unknown name; the message suggests similar ones.

    Example:
        >>> find("adamw").paper
        'Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization'
    """
    by_lower = {c.name.lower(): c for c in all_components()}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    similar = _suggest(name, {lower: c.name for lower, c in by_lower.items()})
    raise ValueError(f"there is no component {name!r}; {similar}`groundup list` shows them all")


def _suggest(name: str, known: Mapping[str, str]) -> str:
    """A question that names what is similar to `name`, or nothing; `known`: in lower case → as it is written."""
    near: Iterable[str] = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
    near = dict.fromkeys(known[other] for other in near)
    return f"did you mean {', '.join(near)}? " if near else ""
