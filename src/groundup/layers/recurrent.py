"""RNN: a cell taken along a sequence.

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
    """output_t, state_t = cell(x_t, state_{t-1}) for t = 1..T; with `reverse`, from the end to the beginning.

    x (B, T, I) -> output (B, T, H), and the cell's state after its last step: (B, H), for LSTM_cell the pair (h, c).
    state=None begins at zero.

    lengths: how many steps of each sequence are real, from 0 to T. Padding never touches a state: the state returned
    is the one at the sequence's own end (in reverse, at its beginning, having begun at its own end), the output over
    padding is 0, and no gradient flows there.
    With a cell that is `torch.nn`'s, what `nn.RNN`, `nn.LSTM` and `nn.GRU` compute in one layer and one direction
    with batch_first=True.
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
        checks.rank("x", checks.floating("x", x), 3, layout="(B, T, I)")
        output, states = self.cell.unroll(x, self.cell.begin(x, state), lengths, self.reverse)
        return output, as_state(states)

    def extra_repr(self) -> str:
        return "reverse=True" if self.reverse else ""
