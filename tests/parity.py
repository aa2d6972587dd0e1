"""What "equal" means here: outputs, gradients to inputs and to every parameter, and buffers, from random parameters."""

import itertools
from dataclasses import dataclass

import torch

from groundup.backend import current_backend
from rows.kit import as_list, seeded_randn

__all__ = ["Run", "as_list", "assert_as_accurate", "assert_same", "randomise", "run", "seeded_randn"]

TOLERANCES = {torch.float64: 1e-10, torch.float32: 3e-5, torch.bfloat16: 4e-2}


@torch.no_grad()
def randomise(module, seed=1):
    """Give every parameter and floating buffer a random value, far from where it begins; variances stay positive."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in itertools.chain(module.named_parameters(), module.named_buffers()):
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float64))
            if "var" in name:
                value.abs_().add_(0.1)
    return module


@dataclass
class Run:
    """Everything a forward and backward pass leaves behind."""

    outputs: list
    input_grads: list
    parameter_grads: dict
    buffers: dict


def differentiable(values, constants=()):
    """Copies that require gradients where they can, but for the positions `constants`; strides are kept."""
    return [
        v.detach().requires_grad_() if torch.is_tensor(v) and v.is_floating_point() and i not in constants else v
        for i, v in enumerate(values)
    ]


def run(function, inputs, module=None, constants=()):
    """Call, backpropagate a random cotangent, and collect."""
    inputs = differentiable(inputs, constants)
    if module is not None:
        module.zero_grad(set_to_none=True)
    outputs = as_list(function(*inputs))
    torch.autograd.backward(
        [o for o in outputs if o.requires_grad],
        [
            seeded_randn(*o.shape, dtype=o.dtype, seed=3 + i).to(o.device)
            for i, o in enumerate(outputs)
            if o.requires_grad
        ],
    )
    return Run(
        [o.detach() for o in outputs],
        [v.grad for v in inputs if torch.is_tensor(v) and v.requires_grad],
        {} if module is None else {n: p.grad for n, p in module.named_parameters()},
        {} if module is None else {n: b.clone() for n, b in module.named_buffers()},
    )


def assert_same(actual, expected, dtype, context="", tolerance=None):
    """Two runs are equal, part by part, to the dtype's tolerance; the message names the part.

    Returns the largest difference of each kind of part, in units of the part's largest value where that is above 1.
    """
    tolerance = TOLERANCES[dtype] if tolerance is None else tolerance
    largest = {}

    def close(a, b, kind, what):
        if a is None and b is None:
            return
        assert (a is None) == (b is None), f"{context}{what}: one side has no gradient"
        finite = b[b.isfinite()].abs() if b.is_floating_point() else b.new_empty(0)
        scale = max(1.0, float(finite.max())) if finite.numel() else 1.0  # rounding is relative to the largest term
        torch.testing.assert_close(
            a, b, rtol=0, atol=tolerance * scale, equal_nan=True, msg=lambda m: f"{context}{what}: {m}"
        )
        differences = (a.double() - b.double()).abs().nan_to_num(0.0)  # equal NaN and infinities differ by nothing
        largest[kind] = max(largest.get(kind, 0.0), float(differences.max()) / scale if a.numel() else 0.0)

    assert len(actual.outputs) == len(expected.outputs)
    for i, (a, b) in enumerate(zip(actual.outputs, expected.outputs)):
        close(a, b, "outputs", f"output {i}")
    assert len(actual.input_grads) == len(expected.input_grads)
    for i, (a, b) in enumerate(zip(actual.input_grads, expected.input_grads)):
        close(a, b, "gradients", f"gradient to input {i}")
    assert actual.parameter_grads.keys() == expected.parameter_grads.keys(), context
    for name in expected.parameter_grads:
        close(actual.parameter_grads[name], expected.parameter_grads[name], "gradients", f"gradient to {name}")
    for name in expected.buffers.keys() & actual.buffers.keys():
        close(actual.buffers[name], expected.buffers[name], "buffers", f"buffer {name}")
    return largest


def assert_as_accurate(actual, expected, truth, context=""):
    """In bfloat16 a network is held to its oracle's accuracy, measured from the same network in float64.

    Rounding tips a ReLU or a maximum here and there over to the other side, in the oracle as in ours, and batch norm's
    differences of nearly equal numbers enlarge that: single digits differ by far more than a rounding, on both sides
    alike. So it is the median over the gradients of |x - truth| / |truth| that may not exceed twice the oracle's by
    more than the dtype's tolerance; and each output's own. The definitions round at every step, so that they tip more
    units than a kernel does: what they owe here is the right direction, an error below one half. Their precision is
    held layer by layer, and the wiring in float64 and float32.
    """
    allowance = TOLERANCES[torch.bfloat16] if current_backend() != "reference" else 0.5

    def distances(ours, true):
        pairs = [(a, b) for a, b in zip(ours, true) if b is not None and b.is_floating_point() and b.any()]
        return torch.stack([(a.double() - b).norm() / b.norm() for a, b in pairs])

    def gradients(run):
        return [*run.input_grads, *(run.parameter_grads[name] for name in truth.parameter_grads)]

    for i, (ours, oracles, true) in enumerate(zip(actual.outputs, expected.outputs, truth.outputs)):
        ours, oracles = distances([ours], [true]), distances([oracles], [true])
        assert ours <= 2 * oracles + allowance, f"{context}output {i}: error {ours}, the oracle's {oracles}"
    ours, oracles = (distances(gradients(run), gradients(truth)).median() for run in (actual, expected))
    assert ours <= 2 * oracles + allowance, f"{context}gradients: error {ours:.3f}, the oracle's {oracles:.3f}"
