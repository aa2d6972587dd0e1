"""Units of work, the same for both sides of a row: apply a function, step an optimizer, train a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor, nn


class Unit(ABC):
    """Something that can be run again and again, and whose outcome can be compared with another's."""

    @abstractmethod
    def run(self) -> Sequence[Tensor]:
        """What is timed."""

    @abstractmethod
    def outcome(self) -> list[Tensor]:
        """Run, and return all that must be equal for two units to be the same function."""

    @abstractmethod
    def compile(self) -> None:
        """Let `torch.compile` have it, as one graph."""


def fill(module: nn.Module) -> None:
    """Random weights that depend on the order and the shapes of the parameters alone: equal in both libraries.

    Seeds first, because constructors draw their own initial weights in their own ways.
    """
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=prod(parameter.shape[1:]) ** -0.5)
            else:
                parameter.uniform_(-0.5, 0.5)
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)


class Apply(Unit):
    """y = f(x), x drawn by `inputs`, and with `backward` the gradients to every input and parameter as well.

    A module's weights are drawn by `fill`, unless they are `given`.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        inputs: Callable[[], Sequence[Tensor]],
        backward: bool,
        given: bool = False,
    ) -> None:
        self.function, self.backward = function, backward
        self.module = function if isinstance(function, nn.Module) else nn.Module()
        if not given:
            fill(self.module)
        torch.manual_seed(2)  # inputs that are not the numbers the weights were drawn from
        self.inputs = inputs()
        self.leaves = [*(x for x in self.inputs if x.is_floating_point()), *self.module.parameters()]
        for leaf in self.leaves:
            leaf.requires_grad_(backward)
        y = function(*self.inputs).detach()
        # Not randn_like: that draws in the order of y's memory, which is the function's own affair.
        self.upstream = torch.randn(y.shape, dtype=y.dtype, device=y.device) if y.dim() > 0 else None

    def run(self) -> Sequence[Tensor]:
        if self.backward:
            y = self.function(*self.inputs)
            return y, *torch.autograd.grad(y, self.leaves, self.upstream)
        with torch.no_grad():
            return (self.function(*self.inputs),)

    def outcome(self) -> list[Tensor]:
        return [*self.run(), *(b.clone() for b in self.module.buffers() if b.is_floating_point())]

    def compile(self) -> None:
        self.function = torch.compile(self.function, fullgraph=True, dynamic=False)


class Step(Unit):
    """One step of an optimizer over parameters of given shapes, whose gradients stay as they are."""

    def __init__(
        self, optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer], shapes: list[tuple[int, ...]]
    ) -> None:
        self.parameters = [nn.Parameter(torch.randn(shape) * 0.1) for shape in shapes]
        for parameter in self.parameters:
            parameter.grad = torch.randn_like(parameter)
        self.step: Callable[[], object] = optimizer(self.parameters).step

    def run(self) -> Sequence[Tensor]:
        self.step()
        return ()

    def outcome(self) -> list[Tensor]:
        """How far two steps go, along g and along -g/2: the second shows what the first has kept."""
        before = [p.detach().clone() for p in self.parameters]
        for factor in (-0.5, -2.0):  # back to g, to the bit
            self.step()
            for parameter in self.parameters:
                assert parameter.grad is not None
                parameter.grad *= factor
        return [p.detach() - old for p, old in zip(self.parameters, before)]

    def compile(self) -> None:
        self.step = torch.compile(self.step, fullgraph=True, dynamic=False)


class Train(Unit):
    """One training step on what `data` draws: gradients cleared, forward, loss, backward, optimizer."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        data: Callable[[], tuple[Tensor, Tensor]],
    ) -> None:
        fill(model)
        self.model, self.loss = model, loss
        self.x, self.target = data()
        self.parameters = list(model.parameters())
        self.optimizer = optimizer(self.parameters)

    def run(self) -> Sequence[Tensor]:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(self.x), self.target)
        loss.backward()
        self.optimizer.step()
        return (loss,)

    def outcome(self) -> list[Tensor]:
        """Loss and gradients of the second step, and how far both went."""
        before = [p.detach().clone() for p in self.parameters]
        self.run()
        loss = self.run()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return [*loss, *gradients, *(p.detach() - old for p, old in zip(self.parameters, before))]

    def compile(self) -> None:
        """Model and loss; the optimizer's step stays eager, as in common practice."""
        self.model = torch.compile(self.model, fullgraph=True, dynamic=False)  # type: ignore[assignment]
        self.loss = torch.compile(self.loss, fullgraph=True, dynamic=False)
