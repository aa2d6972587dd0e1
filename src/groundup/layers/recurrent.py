"""A recurrent cell applied along a sequence.

Legend: B batch, T time, I inputs, H hidden units.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.layers.keywords import TorchKeywords
from groundup.layers.recurrent_cells import RecurrentCell, State, as_state


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
                f"cell must be a RecurrentCell, such as LSTM_cell(8, 16) or a subclass with a step of its own, "
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
