"""Enforce the annotations of groundup's functions while the suite runs, and only then.

jaxtyping's import hook decorates every function with `jaxtyping.jaxtyped`, which on each call binds the arguments,
opens a scope of axis names, and checks the arguments twice. Here beartype checks them once; a scope is opened for
functions that name axes, and functions without annotations are left as they are. The check of a function is built on
its first call, because a run calls few of them.
"""

import functools
import inspect
import typing

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping._decorator import jaxtyped
from jaxtyping._storage import pop_shape_memo, push_shape_memo

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
            if mentions_array(*(hints := typing.get_type_hints(function).values())):
                checked = with_axes(checked, inspect.signature(function) if "{" in repr(hints) else None)
        return checked(*args, **kwargs)

    return call


def with_axes(checked, signature):
    """Call `checked` in a scope of its own for the sizes of named axes.

    The arguments are bound to `signature` where an axis is computed from them, as in "N {2*window}".
    """

    def call(*args, **kwargs):
        push_shape_memo(signature.bind(*args, **kwargs).arguments if signature else {})
        try:
            return checked(*args, **kwargs)
        finally:
            pop_shape_memo()

    return call


def mentions_array(*annotations):
    """Return True if an annotation contains a type with a shape, such as Float[Tensor, "N C"]."""
    return any(
        (inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray))
        or mentions_array(*typing.get_args(annotation))
        for annotation in annotations
    )
