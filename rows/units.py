"""Units of work, the same for both sides of a row: apply a function, step an optimizer, train a model."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor, nn


class Unit(ABC):
    """Work that can be repeated, and whose outcome can be compared with another unit's."""

    @abstractmethod
    def run(self) -> Sequence[Tensor]:
        """Do the work that is timed."""

    @abstractmethod
    def outcome(self) -> list[Tensor]:
        """Run, and return the tensors that two units of the same function have in common."""

    @abstractmethod
    def compile(self) -> None:
        """Compile the work with `torch.compile`, as one graph."""


def fill(module: nn.Module) -> None:
    """Fill with random weights that depend only on the order and the shapes of the parameters: equal in both libraries.

    Seeds first, because constructors draw their initial weights in different ways.
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
        torch.manual_seed(2)  # so that inputs are not the numbers of the weights
        self.inputs = inputs()
        self.leaves = [*(x for x in self.inputs if x.is_floating_point()), *self.module.parameters()]
        for leaf in self.leaves:
            leaf.requires_grad_(backward)
        y = function(*self.inputs).detach()
        # Not randn_like, which draws in the order of y's memory: that may differ between ours and the peer's.
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
        """The changes by two steps, along g and along -g/2: the second depends on the state that the first left."""
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
        """Loss and gradients of the second step, and the changes by both."""
        before = [p.detach().clone() for p in self.parameters]
        self.run()
        loss = self.run()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return [*loss, *gradients, *(p.detach() - old for p, old in zip(self.parameters, before))]

    def compile(self) -> None:
        """Compile model and loss; the optimizer's step stays eager, as in common practice."""
        self.model = torch.compile(self.model, fullgraph=True, dynamic=False)  # type: ignore[assignment]
        self.loss = torch.compile(self.loss, fullgraph=True, dynamic=False)


class TrainImages(Train):
    """A training step whose outcome is that of a copy in float64, on a corner of the images.

    In float32 the gradients of two libraries differ after fifty layers, from rounding alone.
    """

    def outcome(self) -> list[Tensor]:
        twin = copy.deepcopy(self.model).double()
        loss = self.loss(twin(self.x[:, :, :64, :64].double()), self.target)
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        # Flattened, for a gate's 1 × 1 convolutions may be matrices; in one tensor, for some are 0 but for rounding.
        return [loss.detach(), torch.cat([g.flatten() for g in gradients])]


def draw_tokens(low: int, high: int, shape: tuple[int, ...]) -> Tensor:
    """Random tokens, the same on every device."""
    with torch.device("cpu"):
        tokens = torch.randint(low, high, shape, generator=torch.Generator().manual_seed(0))
    return tokens.to(torch.get_default_device())


class TrainLanguage(Unit):
    """One step on random tokens: forward, the next token's loss, backward, AdamW."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[..., Tensor],
        optimizer: Callable[..., torch.optim.Optimizer],
        gradients: Callable[[dict[str, Tensor]], dict[str, Tensor]],
        vocab_size: int,
        step: tuple[int, int],
        lr: float,
    ) -> None:
        self.model, self.loss, self.gradients = model.train(), loss, gradients
        self.optimizer = optimizer(model.parameters(), lr=lr)
        self.tokens = draw_tokens(0, vocab_size, (step[0], step[1] + 1))

    def run(self) -> Sequence[Tensor]:
        self.optimizer.zero_grad()
        loss = self.loss(self.model, self.tokens)
        loss.backward()
        self.optimizer.step()
        return (loss,)

    def outcome(self) -> list[Tensor]:
        """The loss, and all gradients in our names' order as one: those of the keys' biases are 0 but for rounding."""
        loss = self.run()
        grads = self.gradients({n: p.grad for n, p in self.model.named_parameters() if p.grad is not None})
        return [*loss, torch.cat([grads[name].flatten() for name in sorted(grads)])]

    def compile(self) -> None:
        """Compile the model; loss and optimizer stay eager."""
        self.model.compile(fullgraph=True, dynamic=False)


class Decode(Unit):
    """New tokens after prompts of one length. Its outcome is that of a copy in float64, where no two chances tie."""

    def __init__(
        self, model: nn.Module, write: Callable[..., Tensor], prompts: tuple[int, int], vocab_size: int
    ) -> None:
        self.model, self.write = model.eval(), write
        self.prompts = draw_tokens(3, vocab_size, prompts)

    def run(self) -> Sequence[Tensor]:
        return (self.write(self.model, self.prompts),)

    def outcome(self) -> list[Tensor]:
        return [self.write(copy.deepcopy(self.model).double(), self.prompts)]

    def compile(self) -> None:
        raise NotImplementedError
