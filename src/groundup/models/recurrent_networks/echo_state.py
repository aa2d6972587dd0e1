"""Echo state networks: a large random recurrent network that is never trained, and a linear readout that is.

Jaeger 2001, The "Echo State" Approach to Analysing and Training Recurrent Neural Networks, GMD report 148;
Jaeger and Haas 2004, Harnessing Nonlinearity, Science 304, https://doi.org/10.1126/science.1091277.

    u(t) ─ W_in ─┬─ reservoir x(t) ─ W_out ─ y(t)
                 └──── W ◁────┘

Shapes: B batch, T time steps, I inputs, H hidden units, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, linear, tanh
from groundup.functional.recurrence import scan
from groundup.layers import Linear
from groundup.models.presets import Presets

M = TypeVar("M", bound="EchoStateNetwork")


@component(
    73,
    "random recurrent reservoir with a trained readout",
    paper="Jaeger and Haas 2004, Harnessing Nonlinearity, doi:10.1126/science.1091277",
    oracle="a loop over steps; scikit-learn's Ridge",
    example="EchoStateNetwork()(torch.randn(1, 100, 1))",
    figures={"Mackey-Glass, 84 steps ahead": "normalised error 10^-4.2, 1,000 units"},
)
class EchoStateNetwork(Presets, nn.Module):
    """x(t) = (1 - α) x(t - 1) + α tanh(W_in u(t) + W x(t - 1) + b),    y(t) = W_out [x(t); u(t)] + c.

    u (B, T, I) -> (y (B, T, O), the last x (B, H)).

    Why it works without training W: a large random network turns the past of u into many different features, of which
    a linear readout needs only some. Training the readout is linear regression: one step, no vanishing gradients.

    W_in, W and b are drawn once and are buffers: saved and moved with the model, never trained. `readout` is a linear
    layer, set by `fit` in closed form or trained by gradients like any other.

    Args:
        input_size: I.
        hidden_size: H.
        output_size: O.
        spectral_radius: of W: the larger, the longer the network remembers. Below 1 the state forgets its initial value
            when the input is 0, and nearly always otherwise; a largest singular value below 1 is proven to suffice.
        leak: α in (0, 1]: the share of the state that is new.
        density: the share of W that is not 0.
        input_scaling: W_in is uniform in ± this.
        bias_scaling: b is uniform in ± this.
        device, dtype: of parameters and buffers.

    Example:
        >>> u = torch.sin(torch.linspace(0, 60, 601))[None, :, None]
        >>> network = EchoStateNetwork(hidden_size=100, density=0.1).fit(u[:, :-1], u[:, 1:])
        >>> network.generate(u, steps=5).shape
        torch.Size([1, 5, 1])
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mackey_glass": {}}
    input_sizes: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor

    def __init__(
        self,
        input_size: int = 1,
        hidden_size: int = 1000,
        output_size: int = 1,
        spectral_radius: float = 0.8,
        leak: float = 1.0,
        density: float = 0.01,
        input_scaling: float = 1.0,
        bias_scaling: float = 0.2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = checks.integer("input_size", input_size)
        self.hidden_size = checks.integer("hidden_size", hidden_size)
        self.output_size = checks.integer("output_size", output_size)
        self.spectral_radius = checks.real("spectral_radius", spectral_radius, 0.0)
        self.leak = checks.real("leak", leak, 0.0, 1.0)
        checks.require(leak > 0, f"leak must be in (0, 1], got {leak}: the state would never change")
        self.density = checks.real("density", density, 0.0, 1.0)
        self.input_scaling = checks.real("input_scaling", input_scaling, 0.0)
        self.bias_scaling = checks.real("bias_scaling", bias_scaling, 0.0)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.register_buffer("weight_ih", torch.empty(hidden_size, input_size, **factory))
        self.register_buffer("weight_hh", torch.empty(hidden_size, hidden_size, **factory))
        self.register_buffer("bias", torch.empty(hidden_size, **factory))
        self.readout = Linear(hidden_size + input_size, output_size, **factory)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw W_in, W and b, and scale W to its spectral radius.

        A small or sparse W may be nilpotent, with a spectral radius of 0: it is then drawn again, up to a hundred
        times, and at last replaced by a cycle of all units.
        """
        init.uniform_(self.weight_ih, -self.input_scaling, self.input_scaling)
        init.uniform_(self.bias, -self.bias_scaling, self.bias_scaling)
        if self.weight_hh.is_meta:
            return
        for _ in range(100):
            init.uniform_(self.weight_hh, -1.0, 1.0).mul_(torch.rand_like(self.weight_hh) < self.density)
            radius = spectral_radius(self.weight_hh)
            if radius > 1e-3 * self.weight_hh.norm():
                break
        else:
            self.weight_hh.copy_(torch.eye(self.hidden_size).roll(1, 0))
            radius = 1.0
        self.weight_hh.mul_(self.spectral_radius / radius)

    def states(
        self, u: Float[Tensor, "B T I"], state: Float[Tensor, "B H"] | None = None
    ) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B H"]]:
        """Return the states x(1), ..., x(T), and the last; `state` is x(0), zeros if None."""
        checks.rank("u", checks.floating("u", u), 3, layout="(B, T, I)")
        checks.size("u", u, 2, self.input_size, "inputs (input_size)")
        x = u.new_zeros(u.size(0), self.hidden_size) if state is None else state
        if tuple(x.shape) != (u.size(0), self.hidden_size):
            raise ValueError(f"state must have shape ({u.size(0)}, {self.hidden_size}), got {tuple(x.shape)}")
        outputs, (last,) = scan(self._step, linear(u, self.weight_ih, self.bias), (x,))
        return outputs, last

    def _step(self, driven: Float[Tensor, "B H"], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        new = tanh(driven + linear(states[0], self.weight_hh))
        return ((1 - self.leak) * states[0] + self.leak * new,)

    def forward(
        self, u: Float[Tensor, "B T I"], state: Float[Tensor, "B H"] | None = None
    ) -> tuple[Float[Tensor, "B T O"], Float[Tensor, "B H"]]:
        """Return the outputs, and the last state; `state` is x(0), zeros if None."""
        states, last = self.states(u, state)  # B, T, H
        return self.readout(torch.cat([states, u], 2)), last

    @torch.no_grad()
    def fit(
        self: M, u: Float[Tensor, "B T I"], y: Float[Tensor, "B T O"], washout: int = 100, ridge: float = 1e-6
    ) -> M:
        """Set the readout by ridge regression: W_out, c = argmin Σ ‖W_out s + c - y‖² + ridge ‖W_out‖², s = [x; u].

        W_outᵀ = (S̃ᵀ S̃ + ridge I)⁻¹ S̃ᵀ ỹ of the centred S̃ and ỹ is computed in float64, as the least squares of S̃ over
        √ridge I, which does not square the condition number.

        Args:
            u: inputs; y: the outputs wanted.
            washout: steps left out at the start, where the state still depends on x(0) = 0.
            ridge: penalty of large weights.
        """
        checks.rank("y", checks.floating("y", y), 3, layout="(B, T, O)")
        checks.size("y", y, 2, self.output_size, "outputs (output_size)")
        if y.shape[:2] != u.shape[:2]:
            raise ValueError(f"y must have u's batch and steps {tuple(u.shape[:2])}, got {tuple(y.shape[:2])}")
        checks.integer("washout", washout, 0)
        checks.require(washout < u.size(1), f"washout must leave some of the {u.size(1)} steps, got {washout}")
        checks.real("ridge", ridge, 0.0)
        states = torch.cat([self.states(u)[0], u], 2)[:, washout:].flatten(0, 1).double()
        targets = y[:, washout:].flatten(0, 1).double()
        mean, shift = states.mean(0), targets.mean(0)
        penalty = ridge**0.5 * torch.eye(states.size(1)).to(states)
        stacked = torch.cat([states - mean, penalty])
        wanted = torch.cat([targets - shift, targets.new_zeros(len(penalty), targets.size(1))])
        weight = torch.linalg.lstsq(stacked, wanted).solution.mT  # O, H + I
        self.readout.weight.copy_(weight)
        assert self.readout.bias is not None
        self.readout.bias.copy_(shift - weight @ mean)
        return self

    @torch.no_grad()
    def generate(
        self, u: Float[Tensor, "B T I"], steps: int, state: Float[Tensor, "B H"] | None = None
    ) -> Float[Tensor, "B steps I"]:
        """Continue u (B, T, I), T ≥ 1, if y(t) was fitted to u(t + 1): each output is the next input."""
        checks.require(
            self.output_size == self.input_size,
            f"output_size must be input_size {self.input_size}, got {self.output_size}: outputs are fed back as inputs",
        )
        checks.integer("steps", steps, 0)
        checks.require(u.size(1) > 0, "u must hold at least one step to go on from, got none")
        y, state = self(u, state)
        made = [y[:, -1:]]
        for _ in range(steps - 1):
            y, state = self(made[-1], state)
            made.append(y)
        return torch.cat(made, 1)[:, :steps]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, spectral_radius={self.spectral_radius}, leak={self.leak}"


def spectral_radius(weight: Float[Tensor, "H H"]) -> float:
    """Return max |λ| over the eigenvalues λ, computed in float64."""
    return torch.linalg.eigvals(weight.double()).abs().max().item()
