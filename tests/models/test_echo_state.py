"""The echo state network: its echoes die out, its readout is ridge regression, and it is saved whole."""

import io

import pytest
import torch
from sklearn.linear_model import Ridge

from groundup.data import mackey_glass
from groundup.models.recurrent_networks import EchoStateNetwork
from groundup.models.recurrent_networks.echo_state import spectral_radius
from parity import seeded_randn


def network(hidden=40, **options):
    return EchoStateNetwork(hidden_size=hidden, dtype=torch.float64, **{"density": 0.2, **options})


def distance_after(net, steps):
    """Between two states, begun anywhere, under the same input."""
    u = 0.5 * seeded_randn(1, steps, 1).expand(2, -1, -1)
    _, last = net.states(u, seeded_randn(2, net.hidden_size, seed=5))
    return (last[0] - last[1]).norm().item()


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.3])
def test_the_radius_is_what_was_asked_for(radius):
    net = network(spectral_radius=radius)
    assert torch.linalg.eigvals(net.weight_hh).abs().max().item() == pytest.approx(radius, abs=1e-12)
    assert spectral_radius(net.weight_hh) == pytest.approx(radius, abs=1e-12)
    assert (net.weight_hh != 0).double().mean().item() == pytest.approx(0.2, abs=0.03)


def test_echoes_die_out_below_one_and_not_far_above():
    """Another's default was 2, at which two states never meet."""
    assert EchoStateNetwork().spectral_radius < 1
    for radius in (0.5, 0.9):
        assert distance_after(network(200, spectral_radius=radius, bias_scaling=0.0), 500) < 1e-5
    assert distance_after(network(200, spectral_radius=2.0, bias_scaling=0.0), 500) > 1


@pytest.mark.parametrize("leak", [1.0, 0.4])
def test_a_largest_singular_value_below_one_contracts(leak):
    """‖x - x'‖ shrinks by 1 - α + α σ_max a step at least: Jaeger 2001, proposition 3."""
    net = network(leak=leak)
    sigma = torch.linalg.matrix_norm(net.weight_hh, 2)
    net.weight_hh *= 0.9 / sigma
    begun = seeded_randn(2, net.hidden_size, seed=5)
    begun = (begun[0] - begun[1]).norm().item()
    for steps in (1, 10, 60):
        assert distance_after(net, steps) <= begun * (1 - leak + leak * 0.9) ** steps


def test_small_sparse_reservoirs_are_reservoirs():
    """Of 20 with 8 units and a tenth of the weights, 9 of another's were NaN: their radius was 0."""
    for seed in range(20):
        torch.manual_seed(seed)
        net = network(8, density=0.1)
        assert spectral_radius(net.weight_hh) == pytest.approx(0.8, abs=1e-9)
    assert spectral_radius(network(3, density=0.0).weight_hh) == pytest.approx(0.8, abs=1e-9)


def test_saving_it_saves_the_reservoir():
    """Of another's, only the readout was in the state_dict."""
    torch.manual_seed(1)
    source = network().fit(seeded_randn(1, 200, 1), seeded_randn(1, 200, 1, seed=3))
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    torch.manual_seed(2)
    target = network()
    u = seeded_randn(2, 30, 1)
    assert not torch.equal(target.states(u)[0], source.states(u)[0])
    target.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(target(u)[0], source(u)[0])
    assert [name for name, _ in source.named_parameters()] == ["readout.weight", "readout.bias"]


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_the_readout_is_scikit_learns_ridge(ridge):
    u, y = seeded_randn(2, 150, 1), seeded_randn(2, 150, 1, seed=3)
    net = network().fit(u, y, washout=20, ridge=ridge)
    states = torch.cat([net.states(u)[0], u], 2)[:, 20:].flatten(0, 1)
    expected = Ridge(alpha=ridge, solver="svd").fit(states.numpy(), y[:, 20:].flatten(0, 1).numpy())
    torch.testing.assert_close(net.readout.weight, torch.as_tensor(expected.coef_).view(1, -1), rtol=1e-8, atol=1e-10)
    assert net.readout.bias.item() == pytest.approx(float(expected.intercept_[0]), abs=1e-10)
    loss = (net(u)[0] - y)[:, 20:].square().sum() + ridge * net.readout.weight.square().sum()
    for gradient in torch.autograd.grad(loss, list(net.parameters())):  # what training by gradients would settle at
        assert gradient.abs().max() < 1e-8


def test_going_on_is_as_good_as_going_through():
    u, net = seeded_randn(2, 12, 1), network(leak=0.5)
    whole, last = net(u)
    first, state = net(u[:, :5])
    rest, end = net(u[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    torch.testing.assert_close(end, last)


def test_generated_is_fed_back():
    u, net = seeded_randn(2, 12, 1), network()
    made = net.generate(u, 3)
    again = torch.cat([u, made[:, :2]], 1)
    torch.testing.assert_close(net(again)[0][:, -3:].detach(), made)
    assert net.generate(u, 0).shape == (2, 0, 1)


def test_memory_is_not_longer_than_the_reservoir_is_large():
    """Σ over delays of how much of the input k steps ago is remembered: at most the number of units. Jaeger 2002."""
    units, delays = 10, 40
    u = 0.1 * seeded_randn(1, 4000, 1)
    past = torch.stack([u[0, :, 0].roll(k) for k in range(delays)], 1)[None]
    net = network(units, output_size=delays, density=1.0, bias_scaling=0.0)
    net.fit(u, past, washout=delays, ridge=1e-9)
    remembered = torch.corrcoef(torch.cat([net(u)[0][0].detach().mT, past[0].mT]))[:delays, delays:].diagonal()
    assert 4 < remembered.square()[1:].sum() <= units  # without the present, which the readout sees


def test_mackey_glass_is_foreseen():
    series = 0.5 * (mackey_glass(1600) - 1)
    u = series[None, :, None]
    net = network(200, density=0.1).fit(u[:, :1200], u[:, 1:1201], ridge=1e-9)
    made = net.generate(u[:, 800:1500], 50)[0, :, 0]
    assert (made - series[1500:1550]).abs().max() < 0.2 * series.std()
