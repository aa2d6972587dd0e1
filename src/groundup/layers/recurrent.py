"""The base class of recurrent cells, and the layer that applies a cell along a sequence.

Legend: B batch, N samples of one step, T time, I inputs, H hidden units.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.recurrence import States, blank_padding, scan
from groundup.layers.keywords import TorchKeywords
from groundup.rules.recurrence import check_lengths

State = Tensor | tuple[Tensor, ...]  # one tensor (N, H), or a tuple where a cell keeps several


class RecurrentCell(TorchKeywords, nn.Module):
    """Base class of the cells: it has the parameters, with PyTorch's names and layout, and makes the state if none is
    given

    A cell of your own defines `step(x, states) -> states`, whose first state is the output; `groundup.layers.RNN`
    applies it along a sequence. Define `unroll` too if a part of the work needs no state and can be done for all steps
    at once.

    Args:
        input_size, hidden_size: I and H.
        bias: False leaves out `bias_ih` and `bias_hh`.
        device, dtype: of the parameters.

    Example:
        >>> class Sum(RecurrentCell):
        ...     def step(self, x, states):
        ...         return (states[0] + x,)
        >>> Sum(2, 2)(torch.ones(1, 2))
        tensor([[1., 1.]])
    """

    #: The number of blocks of H rows that the weights stack, and the names of the states.
    blocks: ClassVar[int] = 1
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    #: The parameters that the functions of the cell take, by the same names; None where an option leaves one out.
    weight_names: ClassVar[tuple[str, ...]] = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = checks.integer("input_size", input_size)
        self.hidden_size = checks.integer("hidden_size", hidden_size)
        self.bias = bias
        rows = self.blocks * hidden_size
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size, **options))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size, **options))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, nn.Parameter(torch.empty(rows, **options)) if bias else None)

    def reset_parameters(self) -> None:
        """Initialise all parameters uniformly in ±1/√H."""
        for parameter in self.parameters():
            init.inverse_sqrt_uniform_(parameter, self.hidden_size)

    def weights(self) -> dict[str, Any]:
        """Return the parameters by name, as the functions of the cell take them."""
        return {name: getattr(self, name) for name in self.weight_names}

    def step(self, x: Float[Tensor, "N I"], states: States) -> States:
        """Return the states after one step."""
        raise NotImplementedError(f"{type(self).__name__} must define step(x, states)")

    def unroll(
        self, x: Float[Tensor, "B T I"], states: States, lengths: Int[Tensor, " B"] | None, reverse: bool
    ) -> tuple[Float[Tensor, "B T H"], States]:
        """Return the outputs at all times, and the last states: see `groundup.functional.recurrence.scan`."""
        check_lengths(x, lengths)
        return scan(self.step, blank_padding(x, lengths), states, lengths, reverse)

    def begin(self, x: Float[Tensor, "N *rest"], state: State | None) -> States:
        """Return `state` as a tuple, or zeros if it is None."""
        names = self.state_names
        if state is None:
            return tuple(x.new_zeros(x.size(0), self.hidden_size) for _ in names)
        states = state if isinstance(state, tuple) else (state,)
        if len(states) != len(names):
            raise TypeError(f"state must be a tuple ({', '.join(names)}) of {len(names)} tensors, got {len(states)}")
        return states

    def forward(self, x: Float[Tensor, "*N I"], state: State | None = None) -> State:
        """Return the next state.

        Args:
            x: (N, I), or (I,) for a single sample.
            state: (N, H) or (H,), for an LSTM a pair of them; None = zeros.
        """
        if not (isinstance(x, Tensor) and 1 <= x.dim() <= 2):
            checks.rank("x", checks.tensor("x", x), 1, 2, layout="(N, input_size) or (input_size,)")
        if x.dim() == 1:
            single = self.step(x[None], tuple(s[None] if state is not None else s for s in self.begin(x[None], state)))
            return as_state(tuple(s[0] for s in single))
        return as_state(self.step(x, self.begin(x, state)))

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


def as_state(states: States) -> State:
    """Return a single state alone, and several as a tuple."""
    return states if len(states) > 1 else states[0]


@component(
    13,
    "applies a recurrent cell to sequences of any lengths",
    paper="Elman 1990, Finding Structure in Time, doi:10.1207/s15516709cog1402_1",
    oracle="torch.nn.RNN, LSTM, GRU, packed",
    example="RNN(LSTM_cell(32, 64))(torch.randn(1, 10, 32))",
)
class RNN(TorchKeywords, nn.Module):
    """output_t, state_t = cell(x_t, state_{t-1}) for t = 1..T; with `reverse`, from the last step to the first

    Why: the same weights are used at every step, so that one cell reads sequences of any length, and what it learns at
    one position holds at all.

    Args:
        cell: a `RecurrentCell`, such as `LSTM_cell(8, 16)`, or a subclass with its own `step`.
        reverse: read from the end.

    x (B, T, I) -> output (B, T, H), and the state of the cell after its last step: (B, H); for `LSTM_cell` (h, c).

    It computes what `nn.RNN`, `nn.LSTM` and `nn.GRU` with batch_first=True compute in one layer and one direction.
    Differs from PyTorch: `lengths` replace packed sequences.

    Example:
        >>> import torch
        >>> from groundup.layers import LSTM_cell
        >>> output, (h, c) = RNN(LSTM_cell(32, 64))(torch.randn(2, 10, 32), lengths=torch.tensor([10, 3]))
        >>> output.shape, h.shape
        (torch.Size([2, 10, 64]), torch.Size([2, 64]))
    """

    def __init__(self, cell: RecurrentCell, reverse: bool = False) -> None:
        super().__init__()
        if not isinstance(cell, RecurrentCell):
            raise TypeError(
                f"cell must be a RecurrentCell, such as LSTM_cell(8, 16) or a subclass with its own step, "
                f"got {type(cell).__name__}"
            )
        self.cell = cell
        self.reverse = reverse

    def forward(
        self, x: Float[Tensor, "B T I"], state: State | None = None, lengths: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B T H"], State]:
        """Return (output, state).

        Args: x: the sequences. state: the state before the first step; None = zeros. lengths: the number of real steps
            of each sequence, from 0 to T; None = all are real. Padding changes no state and gets no gradient: the state
            returned is that after the last real step (in reverse, after the first one, having started at the last real
            one), and the output over padding is 0.
        """
        if not (isinstance(x, Tensor) and x.dim() == 3):
            checks.rank("x", checks.tensor("x", x), 3, layout="(B, T, I)")
        output, states = self.cell.unroll(x, self.cell.begin(x, state), lengths, self.reverse)
        return output, as_state(states)

    def extra_repr(self) -> str:
        return "reverse=True" if self.reverse else ""
