"""Rows: the echo state network against a loop over steps."""

import torch
from torch import nn

from groundup.models.recurrent_networks import EchoStateNetwork
from rows.kit import Case, bad_inputs, draw, label, seeded_randn


class LoopOracle(nn.Module):
    """x ← (1 - α) x + α tanh(W_in u + W x + b), y = W_out [x; u] + c."""

    def __init__(self, inputs, hidden, outputs, leak):
        super().__init__()
        self.leak = leak
        for name, shape in (("weight_ih", (hidden, inputs)), ("weight_hh", (hidden, hidden)), ("bias", (hidden,))):
            self.register_buffer(name, torch.zeros(shape))
        self.readout = nn.Linear(hidden + inputs, outputs)

    def forward(self, u):
        x, made = u.new_zeros(len(u), len(self.bias)), []
        for t in range(u.size(1)):
            new = torch.tanh(u[:, t] @ self.weight_ih.T + x @ self.weight_hh.T + self.bias)
            x = (1 - self.leak) * x + self.leak * new
            made.append(self.readout(torch.cat([x, u[:, t]], 1)))
        return torch.stack(made, 1), x


CASES = [
    Case(
        "EchoStateNetwork",
        label(leak=leak),
        lambda a=leak: EchoStateNetwork(2, 5, 3, leak=a, density=0.5),
        draw(4, 2),
        lambda a=leak: LoopOracle(2, 5, 3, a),
    )
    for leak in (1.0, 0.3)
]

REQUIRED = {"EchoStateNetwork": ()}

E = "EchoStateNetwork"
u = seeded_randn(2, 6, 1).float()


def network(method, *arguments, inputs=1, outputs=1, **options):
    return lambda: getattr(EchoStateNetwork(inputs, 5, outputs, density=0.5), method)(*arguments, **options)


BAD_INPUTS = bad_inputs(
    EchoStateNetwork=[
        (lambda: EchoStateNetwork(0), "input_size must be at least 1, got 0"),
        (lambda: EchoStateNetwork(hidden_size=5.0), "TypeError: hidden_size must be an int, got 5.0"),
        (lambda: EchoStateNetwork(spectral_radius=-1), "spectral_radius must be a finite number in [0.0,"),
        (lambda: EchoStateNetwork(leak=0), "leak must be in (0, 1], got 0"),
        (lambda: EchoStateNetwork(leak=2), "leak must be a finite number in [0.0, 1.0], got 2"),
        (lambda: EchoStateNetwork(density=1.5), "density must be a finite number in [0.0, 1.0], got 1.5"),
        (network("forward", u[0]), "u must have shape (B, T, I), got 2 axes"),
        (network("forward", u.long()), "TypeError: u must be a floating-point tensor, got torch.int64"),
        (network("forward", u, inputs=2), "u must have 2 inputs (input_size) (axis 2), got 1"),
        (network("forward", u, torch.zeros(1, 5)), "state must have shape (2, 5), got (1, 5)"),
        (network("fit", u, u, outputs=2), "y must have 2 outputs (output_size) (axis 2), got 1"),
        (network("fit", u, u[:, 1:]), "y must have u's batch and steps (2, 6), got (2, 5)"),
        (network("fit", u, u, washout=6), "washout must leave some of the 6 steps, got 6"),
        (network("fit", u, u, washout=1, ridge=-1), "ridge must be a finite number in [0.0, inf], got -1"),
        (network("generate", u, 3, outputs=2), "output_size must be input_size 1, got 2"),
        (network("generate", u, -1), "steps must be at least 0, got -1"),
        (network("generate", u[:, :0], 2), "u must hold at least one step to go on from"),
    ]
)
