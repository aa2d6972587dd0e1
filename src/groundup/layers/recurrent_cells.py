"""Recurrent cells: one step from a state to the next.

RNN_cell: Elman 1990, Finding Structure in Time;  LSTM_cell: Hochreiter and Schmidhuber 1997, and Graves 2013,
arXiv:1308.0850;  GRU_cell: Cho et al. 2014, arXiv:1406.1078.

Legend: N batch, I inputs (input_size), H hidden units (hidden_size); x the input, h the state, c the memory of an LSTM.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.gru import gru, gru_step
from groundup.functional.lstm import lstm, lstm_step
from groundup.functional.recurrence import Nonlinearity, States, rnn, rnn_step
from groundup.layers.recurrent import RecurrentCell


@component(
    10,
    "one step of a plain recurrent network",
    paper="Elman 1990, Finding Structure in Time, doi:10.1207/s15516709cog1402_1",
    oracle="torch.nn.RNNCell",
    example="RNN_cell(32, 64)(torch.randn(1, 32))",
)
class RNN_cell(RecurrentCell):
    """h' = f(W x + b_ih + U h + b_hh)

    The derivative of a state with respect to one t steps before is a product of t matrices diag(f') U, which vanishes
    or explodes exponentially with t. So a plain cell learns dependencies over some ten steps only; LSTM and GRU
    have gates against it.

    Args: input_size, hidden_size: I and H; W is `weight_ih` (H, I), U is `weight_hh` (H, H). bias: False leaves out
        b_ih and b_hh. nonlinearity: f, "tanh" or "relu". device, dtype: of the parameters. layer_norm: normalise the
        sum before f, with gain `weight_ln` (1 at first) and shift `bias_ln` (0), so that it stays where f is not flat
        (Ba et al. 2016, arXiv:1607.06450, section 3.1).

    The other parameters are initialised uniformly in ±1/√H, as in PyTorch. A drop-in for `torch.nn.RNNCell`.

    Example:
        >>> cell = RNN_cell(32, 64)
        >>> h = cell(torch.randn(2, 32))
        >>> cell(torch.randn(2, 32), h).shape
        torch.Size([2, 64])
    """

    weight_names = (*RecurrentCell.weight_names, "weight_ln", "bias_ln")

    weight_ln: nn.Parameter | None
    bias_ln: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Nonlinearity = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        checks.choice("nonlinearity", nonlinearity, ("tanh", "relu"))
        self.nonlinearity = nonlinearity
        for name in ("weight_ln", "bias_ln"):
            value = torch.empty(hidden_size, device=device, dtype=dtype) if layer_norm else None
            self.register_parameter(name, None if value is None else nn.Parameter(value))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.weight_ln is not None and self.bias_ln is not None:
            init.constant_(self.weight_ln, 1.0)
            init.constant_(self.bias_ln, 0.0)

    def step(self, x: Float[Tensor, "N I"], states: States) -> States:
        return (rnn_step(x, states[0], **self.weights(), nonlinearity=self.nonlinearity),)

    def unroll(
        self, x: Float[Tensor, "B T I"], states: States, lengths: Int[Tensor, " B"] | None, reverse: bool
    ) -> tuple[Float[Tensor, "B T H"], States]:
        output, h = rnn(
            x, states[0], **self.weights(), nonlinearity=self.nonlinearity, lengths=lengths, reverse=reverse
        )
        return output, (h,)

    def extra_repr(self) -> str:
        text = super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")
        return text if self.weight_ln is None else text + ", layer_norm=True"


@component(
    11,
    "one step of long short-term memory",
    paper="Graves 2013, Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850",
    oracle="torch.nn.LSTMCell; a loop",
    example="LSTM_cell(32, 64)(torch.randn(1, 32))",
)
class LSTM_cell(RecurrentCell):
    """c' = f ⊗ c + i ⊗ g,  h' = o ⊗ tanh(c'), with gates i, f, o; `groundup.functional.lstm` has all equations

    Why: c' depends on c through a product with f alone. While the forget gate is near 1, the gradient passes through
    many steps unchanged; in a plain recurrent cell it is multiplied by a matrix at each.

    Args: input_size, hidden_size: I and H. bias: False leaves out the biases. device, dtype: of the parameters.
        peephole: the gates also see the memory, through three vectors `weight_ci`, `weight_cf`, `weight_co` (Graves
        2013, equations 7 to 11).
        forget_bias: the initial sum of the forget gate's two biases; None initialises them like the others. With 1 the
            cell remembers from the start (Jozefowicz et al. 2015).

    weight_ih (4H, I) and weight_hh (4H, H) stack the input gate, the forget gate, the candidate g and the output gate.
    All parameters are initialised uniformly in ±1/√H, as in PyTorch. A drop-in for `torch.nn.LSTMCell`.

    Example:
        >>> cell = LSTM_cell(32, 64)
        >>> h, c = cell(torch.randn(2, 32))
        >>> h, c = cell(torch.randn(2, 32), (h, c))
        >>> h.shape, c.shape
        (torch.Size([2, 64]), torch.Size([2, 64]))
    """

    blocks = 4
    state_names = ("h", "c")
    weight_names = (*RecurrentCell.weight_names, "weight_ci", "weight_cf", "weight_co")

    weight_ci: nn.Parameter | None
    weight_cf: nn.Parameter | None
    weight_co: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        peephole: bool = False,
        forget_bias: float | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        for name in ("weight_ci", "weight_cf", "weight_co"):
            value = torch.empty(hidden_size, device=device, dtype=dtype) if peephole else None
            self.register_parameter(name, None if value is None else nn.Parameter(value))
        self.forget_bias = None if forget_bias is None else checks.real("forget_bias", forget_bias)
        checks.require(bias or forget_bias is None, f"forget_bias={forget_bias} needs bias=True")
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise all parameters uniformly in ±1/√H, and the forget gate's biases to `forget_bias` and 0 if it is
        given.
        """
        super().reset_parameters()
        if self.forget_bias is not None and self.bias_ih is not None and self.bias_hh is not None:
            forget = slice(self.hidden_size, 2 * self.hidden_size)
            self.bias_ih[forget] = self.forget_bias
            self.bias_hh[forget] = 0

    def step(self, x: Float[Tensor, "N I"], states: States) -> States:
        return lstm_step(x, states[0], states[1], **self.weights())

    def unroll(
        self, x: Float[Tensor, "B T I"], states: States, lengths: Int[Tensor, " B"] | None, reverse: bool
    ) -> tuple[Float[Tensor, "B T H"], States]:
        output, h, c = lstm(x, states[0], states[1], **self.weights(), lengths=lengths, reverse=reverse)
        return output, (h, c)

    def extra_repr(self) -> str:
        text = super().extra_repr() + ("" if self.weight_ci is None else ", peephole=True")
        return text if self.forget_bias is None else text + f", forget_bias={self.forget_bias}"


@component(
    12,
    "one step of a gated recurrent unit",
    paper="Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078",
    oracle="torch.nn.GRUCell; a loop",
    example="GRU_cell(32, 64)(torch.randn(1, 32))",
)
class GRU_cell(RecurrentCell):
    """h' = z ⊗ h + (1 - z) ⊗ g, with the update gate z; `groundup.functional.gru` has all equations

    Why: where z is near 1, the state and its gradient pass a step unchanged, as in an LSTM, with three quarters of its
    weights and no second state. The reset gate lets the candidate g ignore the past.

    Args: input_size, hidden_size: I and H. bias: False leaves out the biases. device, dtype: of the parameters.
        reset_after: True applies the reset gate after the product with U, as PyTorch and cuDNN do; False before it, as
        in Cho et al. 2014.
        complement: True exchanges z and 1 - z: the gate then says how much of the state is new (Bahdanau et al. 2015,
            appendix A.1.1).

    weight_ih (3H, I) and weight_hh (3H, H) stack the reset gate, the update gate and the candidate. All parameters are
    initialised uniformly in ±1/√H, as in PyTorch. The defaults are a drop-in for `torch.nn.GRUCell`.

    Example:
        >>> cell = GRU_cell(32, 64)
        >>> h = cell(torch.randn(2, 32))
        >>> cell(torch.randn(2, 32), h).shape
        torch.Size([2, 64])
    """

    blocks = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        complement: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.reset_after, self.complement = reset_after, complement
        self.reset_parameters()

    def step(self, x: Float[Tensor, "N I"], states: States) -> States:
        return (gru_step(x, states[0], **self.weights(), **self.form),)

    def unroll(
        self, x: Float[Tensor, "B T I"], states: States, lengths: Int[Tensor, " B"] | None, reverse: bool
    ) -> tuple[Float[Tensor, "B T H"], States]:
        output, h = gru(x, states[0], **self.weights(), **self.form, lengths=lengths, reverse=reverse)
        return output, (h,)

    @property
    def form(self) -> dict[str, Any]:
        """The options of `groundup.functional.gru` that this cell has."""
        return {"reset_after": self.reset_after, "complement": self.complement}

    def extra_repr(self) -> str:
        text = super().extra_repr() + ("" if self.reset_after else ", reset_after=False")
        return text + (", complement=True" if self.complement else "")
