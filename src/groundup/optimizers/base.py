"""The base of every optimizer: groups, state, checks. A rule adds its hyperparameters, its state and its step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, ClassVar, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup.checks import probability, real, require
from groundup.component import component

Tensors: TypeAlias = list[Float[Tensor, "..."]]
Group: TypeAlias = dict[str, Any]
Params: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Group]


@component(
    46,
    "base class of the update rules",
    paper="Robbins and Monro 1951, A Stochastic Approximation Method, doi:10.1214/aoms/1177729586",
    oracle="torch.optim.Optimizer",
)
class Optimizer(torch.optim.Optimizer):
    """A `torch.optim.Optimizer` whose subclass is only its update rule.

    A subclass passes its hyperparameters to `__init__` by name, lists its `state_names`, and names the function of its
    `rule`; `SGD` is the shortest. Everything else is here, the same for all of them:

    - parameters, named parameters, or groups with hyperparameters of their own; every value is checked;
    - parameters without gradients are skipped; complex ones are stepped as pairs of reals;
    - a sparse gradient moves the entries that it names, where the rule leaves all others alone (`rowwise`);
    - `state_dict` has the keys of the `torch.optim` optimizer of the same rule: each loads the other's, mid-run.

    Args:
        params: parameters, (name, parameter) pairs, or groups: dicts with "params" and hyperparameters of their own.
        maximize: go up the gradient instead of down.
        check_finite: raise `FloatingPointError` that names the parameter whose gradient is NaN or infinite, before
            anything has changed.
        hyperparameters: those of the rule.

    Raises:
        ValueError, TypeError: for parameters that are none, repeated or absent, and for hyperparameters out of range.

    Example:
        >>> class SignDescent(Optimizer):
        ...     @staticmethod
        ...     def rule(group, params, grads):
        ...         for p, g in zip(params, grads):
        ...             p -= group["lr"] * g.sign()
        >>> weight = nn.Parameter(torch.ones(2))
        >>> weight.sum().backward()
        >>> SignDescent([weight], lr=0.5).step()
        >>> weight.tolist()
        [0.5, 0.5]
    """

    #: What `torch.optim` calls the options that make its optimizer this rule; they travel in the `state_dict`.
    torch_options: ClassVar[dict[str, Any]] = {}
    #: Whether an entry with zero gradient stays as it is, so that sparse gradients can be stepped.
    rowwise: ClassVar[bool] = False
    #: One step in place: a function of the group, which holds the hyperparameters by name, of lists of parameters and
    #: gradients of one device and dtype, and of a list for each of `state_names`.
    rule: ClassVar[Callable[..., None]]

    def __init__(
        self, params: Params, *, maximize: bool = False, check_finite: bool = False, **hyperparameters: Any
    ) -> None:
        if isinstance(params, nn.Module):
            raise TypeError("params must be an iterable of parameters, got a module; pass module.parameters()")
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of parameters, got one tensor; pass [tensor]")
        listed: list[Any] = list(params)
        require(len(listed) > 0, "params is empty: there is nothing to optimize (has a generator been used up?)")
        defaults = check_hyperparameters({**hyperparameters, "maximize": maximize, "check_finite": check_finite})
        super().__init__(listed, {**self.torch_options, **defaults})

    # -- what a rule defines ------------------------------------------------------------------------------------

    def state_names(self, group: Group) -> tuple[str, ...]:
        """Name the state of each parameter: "step" is a count, others have the parameter's shape; all are 0."""
        return ()

    def update(self, group: Group, params: Tensors, grads: Tensors, *states: Tensors) -> None:
        """Apply `rule`; `states` are in the order of `state_names`."""
        if not hasattr(self, "rule"):
            raise NotImplementedError(f"{type(self).__name__} must define rule")
        self.rule(group, params, grads, *states)

    # -- stepping -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients again; its result is returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        work = [(group, *self._collect(index, group)) for index, group in enumerate(self.param_groups)]
        for group, sparse, alike in work:
            names = self.state_names(group)
            for p, grad in sparse:
                self._update_entries(group, p, grad, *self._state_of(p, names))
            for (_, dtype), (params, grads) in alike.items():
                states = zip(*(self._state_of(p, names) for p in params)) if names else ()
                lists = [params, grads, *map(list, states)]
                if dtype.is_complex:
                    lists = [list(map(_as_real, tensors)) for tensors in lists]
                self.update(group, *lists)
        return loss

    def _collect(
        self, index: int, group: Group
    ) -> tuple[list[tuple[Tensor, Tensor]], dict[tuple[torch.device, torch.dtype], tuple[list[Tensor], list[Tensor]]]]:
        """Return (parameter, gradient) pairs of sparse gradients; and all others, listed by device and dtype.

        A wrong gradient is found here, before anything has changed.
        """
        sparse: list[tuple[Tensor, Tensor]] = []
        alike: dict[tuple[torch.device, torch.dtype], tuple[list[Tensor], list[Tensor]]] = {}
        check_finite = group["check_finite"]
        for position, p in enumerate(group["params"]):
            grad = p.grad
            if grad is None:
                continue
            is_sparse = grad.is_sparse
            if is_sparse or check_finite:
                self._require_steppable(grad, index, group, position)
            if is_sparse:
                sparse.append((p, grad))
                continue
            if (kind := (p.device, p.dtype)) not in alike:
                alike[kind] = [], []
            params, grads = alike[kind]
            params.append(p)
            grads.append(grad)
        return sparse, alike

    def _state_of(self, p: Tensor, names: tuple[str, ...]) -> list[Tensor]:
        state = self.state[p]
        for name in names:
            if name not in state:
                # A count is on its parameter's device, where PyTorch's fused steps look for it.
                state[name] = (
                    torch.zeros((), dtype=torch.float32, device=p.device) if name == "step" else torch.zeros_like(p)
                )
        return [state[name] for name in names]

    def _update_entries(self, group: Group, p: Tensor, grad: Tensor, *state: Tensor) -> None:
        """Update those entries of the parameter and its state that a sparse gradient names."""
        grad = grad.coalesce()  # an update need not be linear in g: every entry once
        where = tuple(grad.indices())
        kept = [t for t in (p, *state) if t.dim() > 0]
        parts = {id(t): t[where] for t in kept}
        row = (parts[id(p)], grad.values(), *(parts.get(id(s), s) for s in state))
        self.update(group, *([_as_real(t)] for t in row))
        for t in kept:
            t[where] = parts[id(t)]

    def _require_steppable(self, grad: Tensor, index: int, group: Group, position: int) -> None:
        if grad.is_sparse and not (self.rowwise and group["weight_decay"] == 0):
            raise ValueError(
                f"the gradient of {_name(index, group, position)} is sparse, and a step of {type(self).__name__} with "
                f"weight_decay={group['weight_decay']} moves every entry; "
                "use SGD or AdaGrad without weight decay, or a layer with sparse=False"
            )
        if not group["check_finite"]:
            return
        values = grad.coalesce().values() if grad.is_sparse else grad
        if not torch.isfinite(values).all():
            raise FloatingPointError(
                f"the gradient of {_name(index, group, position)} is NaN or infinite; nothing was updated"
            )

    # -- groups and state -----------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters, with hyperparameters of their own where given: `{"params": ..., "lr": 0.01}`."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"a parameter group must be a dict with the key 'params', got {param_group!r}")
        params = param_group["params"]
        if not isinstance(params, (Tensor, set)):  # torch.optim wraps the one, and says why not the other
            params = list(params)
            self._require_distinct(params)
        super().add_param_group({**check_hyperparameters(param_group), "params": params})

    def _require_distinct(self, params: list[Any]) -> None:
        names: dict[int, str] = {}
        for index, group in enumerate(self.param_groups):
            names |= {id(p): _name(index, group, position) for position, p in enumerate(group["params"])}
        for position, item in enumerate(params):
            name, p = (repr(item[0]), item[1]) if isinstance(item, tuple) else (f"position {position}", item)
            require(
                id(p) not in names,
                f"params holds one parameter twice, as {names.get(id(p))} and as {name}; it would be stepped twice: "
                "pass it once",
            )
            names[id(p)] = name

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a copy of the state of this rule, ours or `torch.optim`'s; after a `ValueError` nothing has changed."""
        before = self.__getstate__()
        super().load_state_dict(deepcopy(state_dict))  # torch.optim alone would share the tensors
        try:
            for index, group in enumerate(self.param_groups):
                self._complete_group(index, group)
        except (TypeError, ValueError):
            self.__dict__.update(before)
            raise

    def _complete_group(self, index: int, group: Group) -> None:
        """Check what was loaded for a group, and bring it into the form that `update` needs."""
        for name, value in self.defaults.items():  # saved before an option existed
            group.setdefault(name, value)
        group.update(check_hyperparameters(group))
        for option, ours in self.torch_options.items():
            require(
                group[option] == ours,
                f"the loaded state was saved with {option}={group[option]}; {type(self).__name__} has {option}={ours}",
            )
        for position, p in enumerate(group["params"]):
            state = self.state.get(p, {})
            for name, value in state.items():
                if name == "step":
                    state[name] = torch.as_tensor(value, dtype=torch.float32, device=p.device)
                elif isinstance(value, Tensor) and value.shape != p.shape:
                    raise ValueError(
                        f"the loaded {name} of {_name(index, group, position)} has shape {tuple(value.shape)}, "
                        f"its parameter {tuple(p.shape)}"
                    )


def decay_gradient(group: Group, p: Tensor, g: Tensor) -> Tensor:
    """Return ±g + λθ, the gradient to go down, with L2 decay as a part of it.

    Why: λθ is the gradient of λ/2 ‖θ‖², so that weights which the loss does not need shrink to zero.
    """
    g = -g if group["maximize"] else g
    return g + group["weight_decay"] * p if group["weight_decay"] != 0 else g


def _as_real(t: Tensor) -> Tensor:
    return torch.view_as_real(t) if t.is_complex() else t


def _name(index: int, group: Group, position: int) -> str:
    if "param_names" in group:
        return repr(group["param_names"][position])
    return f"parameter {position} of group {index}, shape {tuple(group['params'][position].shape)}"


# --- hyperparameters: their names mean the same in every rule ----------------------------------------------------


def _non_negative(name: str, value: Any) -> float:
    return real(name, value, 0.0)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def _betas(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} must be a pair (beta1, beta2), got {value!r}")
    beta1, beta2 = (real(f"{name}[{i}]", beta, 0.0) for i, beta in enumerate(value))
    require(max(beta1, beta2) < 1, f"{name} must be in [0, 1): at 1 an average never moves; got {value!r}")
    return beta1, beta2


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "lr": _non_negative,
    "weight_decay": _non_negative,
    "eps": _non_negative,
    "momentum": probability,
    "alpha": probability,
    "rho": probability,
    "betas": _betas,
    "nesterov": _flag,
    "centered": _flag,
    "maximize": _flag,
    "check_finite": _flag,
}


def check_hyperparameters(group: Group) -> Group:
    return {name: CHECKS[name](name, value) if name in CHECKS else value for name, value in group.items()}
