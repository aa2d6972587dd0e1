"""Enforce the annotations of groundup's functions while the suite runs, and only then.

jaxtyping's import hook decorates every function with `jaxtyping.jaxtyped`, which binds the arguments and opens a scope
of axis names on each call. Only functions that name axes need that. Here the others are checked by beartype alone, and
functions without annotations are left as they are. The check of a function is built on its first call, because a run
calls few of them.
"""

import functools
import inspect
import typing

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping._decorator import jaxtyped

CONFIGURATION = BeartypeConf(violation_type=jaxtyping.TypeCheckError)  # a TypeError, as the hook's own


def enforce_annotations():
    """Install the import hook. Call it before anything imports groundup: what is imported earlier is not checked."""
    jaxtyping.jaxtyped = decorate
    jaxtyping.install_import_hook("groundup", "beartype.beartype")


def decorate(function=None, *, typechecker):
    """The decorator that the import hook puts on every function and class of groundup."""
    if function is None:
        return functools.partial(decorate, typechecker=typechecker)
    if not inspect.isfunction(function):
        return jaxtyped(function, typechecker=typechecker)  # a dataclass: its __init__ is checked
    if not function.__annotations__ or "<locals>" in function.__qualname__:  # local ones are defined on every call
        return function
    checked = None

    @functools.wraps(function)
    def call(*args, **kwargs):
        nonlocal checked
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        if checked is None:
            checked = beartype(conf=CONFIGURATION)(function)
            if mentions_array(*typing.get_type_hints(function).values()):
                checked = jaxtyped(checked, typechecker=None)
        return checked(*args, **kwargs)

    return call


def mentions_array(*annotations):
    """Return True if an annotation contains a type with a shape, such as Float[Tensor, "N C"]."""
    return any(
        (inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray))
        or mentions_array(*typing.get_args(annotation))
        for annotation in annotations
    )
