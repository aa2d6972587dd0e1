"""Hopfield networks: the energy never rises, ties are kept, what is stored is recalled, and how much can be."""

import math

import pytest
import torch
from scipy.stats import binom

from groundup.models.energy_based_models import HopfieldNetwork, HopfieldNetworkOptimized

NETWORKS = (HopfieldNetwork, HopfieldNetworkOptimized)
by_name = {"ids": lambda value: getattr(value, "__name__", None)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def patterns(count, units, seed=0, dtype=torch.float32):
    return 2 * torch.randint(2, (count, units), generator=generator(seed)).to(dtype) - 1


def damaged(x, share, seed=1):
    """Each unit turned over with probability `share`."""
    return torch.where(torch.rand(x.shape, generator=generator(seed)) < share, -x, x)


def random_network(units, seed):
    """Symmetric Gaussian weights without a diagonal: more rugged than any memory."""
    network = HopfieldNetwork(units, dtype=torch.float64)
    w = torch.randn(units, units, generator=generator(seed), dtype=torch.float64)
    network.weight.copy_((w + w.mT) / 2).fill_diagonal_(0)
    return network


def is_fixed_point(network, state):
    """No unit wants to turn: s_i h_i is nowhere negative, but for rounding."""
    return (state * network.field(state) > -1e-5).all(-1)


# ---- what is stored --------------------------------------------------------------------------------------------------


def test_hebbs_rule():
    x = patterns(3, 5)
    network = HopfieldNetwork(5).fit(patterns(4, 5, seed=9)).fit(x)  # the second forgets the first
    for i in range(5):
        for j in range(5):
            expected = 0 if i == j else sum(x[p, i] * x[p, j] for p in range(3)) / 5
            assert network.weight[i, j].item() == pytest.approx(float(expected), abs=1e-7)


@pytest.mark.parametrize("network", NETWORKS, **by_name)
def test_weights_are_symmetric_without_a_diagonal(network):
    weight = network(30).fit(patterns(20, 30)).weight
    assert torch.equal(weight, weight.mT)
    assert weight.any()
    assert not weight.diagonal().any()


@pytest.mark.parametrize("network", NETWORKS, **by_name)
def test_a_pattern_and_its_negative_are_stored(network):
    x = patterns(4, 100)
    trained = network(100).fit(x)
    for stored in (x, -x):
        recall = trained.recall(damaged(stored, 0.1))
        assert torch.equal(recall.state, stored)
        assert recall.converged.all()


def test_mixtures_of_three_are_stored_too():
    """Spurious minima: sign(±ξ₁ ± ξ₂ ± ξ₃) at low load."""
    x = patterns(3, 500)
    network = HopfieldNetwork(500).fit(x)
    for signs in ((1, 1, 1), (1, -1, 1), (-1, 1, -1)):
        mixture = (x * torch.tensor(signs)[:, None]).sum(0).sign()
        recall = network.recall(mixture)
        assert recall.converged
        assert (recall.state * mixture).mean() > 0.95
        assert ((recall.state @ x.mT / 500).abs() < 0.7).all()


# ---- the dynamics ----------------------------------------------------------------------------------------------------


def test_energy_never_rises_and_the_end_is_a_fixed_point():
    """Synchronous code that passes for asynchronous breaks both laws within 300 random trials."""
    for seed in range(30):
        network = random_network(12, seed)
        recall = network.recall(patterns(10, 12, seed, torch.float64), generator=generator(seed), trace=True)
        assert (recall.energy.diff(dim=0) <= 1e-12).all()
        assert recall.converged.all()
        assert is_fixed_point(network, recall.state).all()
        again = network.recall(recall.state)
        assert torch.equal(again.state, recall.state)
        assert again.sweeps == 1


def test_every_single_turn_lowers_the_energy():
    network = random_network(15, 3)
    state = patterns(50, 15, 4, torch.float64)
    turns = 0
    for unit in torch.randperm(15, generator=generator()).repeat(3).tolist():
        new = network.step(state, torch.tensor([unit]))
        turned = (new != state).any(-1)
        assert ((new != state).sum(-1) <= 1).all()
        assert (network.energy(new)[turned] < network.energy(state)[turned]).all()
        turns += int(turned.sum())
        state = new
    assert turns > 100


def test_a_step_is_whole_number_arithmetic():
    """In float32, where 1/60 is no binary fraction, every sign, and every tie, is that of the exact integers."""
    x = patterns(6, 60, seed=5)
    network = HopfieldNetwork(60).fit(x)
    whole = (x.mT @ x).long().fill_diagonal_(0)  # N W
    state, ties = patterns(20, 60, seed=6), 0
    exact = state.long()
    units = torch.randperm(60, generator=generator(7))
    for unit in units.tolist():
        field = (whole[unit] * exact).sum(-1)
        ties += int((field == 0).sum())
        exact[:, unit] = torch.where(field == 0, exact[:, unit], field.sign())
    assert ties > 20
    assert torch.equal(network.step(state, units).long(), exact)


@pytest.mark.parametrize("update", ["async", "sync"])
def test_without_a_field_a_state_stays(update):
    """sign(0) keeps the previous state: no state leaves {-1, +1}."""
    state = patterns(5, 8)
    untrained = HopfieldNetwork(8).recall(state, update)
    assert torch.equal(untrained.state, state)
    assert untrained.converged.all()
    x = torch.tensor([[1.0, 1, 1, 1], [1, 1, -1, -1]])  # units 0, 1 and units 2, 3 know nothing of each other
    torn = torch.tensor([1.0, -1, 1, 1])
    for start in (torn, -torn):
        ends = HopfieldNetwork(4).fit(x).recall(start, update, max_sweeps=3).state
        assert set(ends.tolist()) <= {-1.0, 1.0}
        assert torch.equal(ends[2:], start[2:])


def test_synchronous_updates_may_alternate_and_are_not_called_converged():
    network = HopfieldNetwork(2).fit(torch.tensor([[1.0, 1.0]]))
    torn = torch.tensor([1.0, -1.0])
    recall = network.recall(torn, "sync", max_sweeps=100)
    assert not recall.converged
    assert recall.sweeps == 2  # seen at once
    assert network.recall(torn, "async").converged


def test_synchronous_ends_are_fixed_points_or_pairs():
    cycles = 0
    for seed in range(30):
        network = random_network(12, seed)
        recall = network.recall(patterns(10, 12, seed, torch.float64), "sync", trace=True)
        assert torch.equal(recall.converged, is_fixed_point(network, recall.state))
        one = network.recall(recall.state, "sync", max_sweeps=1).state
        two = network.recall(one, "sync", max_sweeps=1).state
        assert torch.equal(two, recall.state)  # period 1 or 2, and never another
        assert torch.equal((one == recall.state).all(-1), recall.converged)
        cycles += int((~recall.converged).sum())
    assert cycles > 30


def test_too_few_sweeps_are_not_called_converged():
    network = random_network(40, 1)
    start = patterns(50, 40, 2, torch.float64)
    short = network.recall(start, max_sweeps=1, generator=generator())
    assert not short.converged.any()
    assert short.sweeps == 1
    long = network.recall(start, generator=generator())
    assert long.converged.all()
    assert long.sweeps > 2


def test_a_batch_is_its_states_one_by_one():
    network = random_network(20, 1)
    start = patterns(6, 20, 2, torch.float64)
    together = network.recall(start.view(2, 3, 20), generator=generator(), trace=True)
    assert together.state.shape == (2, 3, 20)
    assert together.converged.shape == (2, 3)
    assert together.energy.shape == (together.sweeps + 1, 2, 3)
    torch.testing.assert_close(together.energy[0], network(start).view(2, 3))
    torch.testing.assert_close(together.energy[-1], network(together.state))
    for alone, expected in zip(start, together.state.view(6, 20)):
        one = network.recall(alone, generator=generator())  # the same orders of units
        assert torch.equal(one.state, expected)
        assert one.converged.shape == ()
        assert one.energy is None


def test_recall_leaves_its_input_and_the_global_generator_alone():
    network = random_network(20, 1)
    start = patterns(6, 20, 2, torch.float64)
    kept, random = start.clone(), torch.get_rng_state()
    ends = [network.recall(start, generator=generator(seed)).state for seed in (0, 0, 1, 2, 3)]
    network.step(start, torch.arange(20))
    assert torch.equal(start, kept)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(ends[0], ends[1])
    assert any(not torch.equal(ends[0], end) for end in ends[2:])  # another order, another minimum


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_states_keep_their_type(dtype):
    x = patterns(3, 60)
    network = HopfieldNetwork(60).fit(x.to(dtype))
    recall = network.recall(damaged(x, 0.1).to(dtype))
    assert recall.state.dtype == dtype
    assert torch.equal(recall.state.float(), x)


def test_no_states_at_all():
    recall = HopfieldNetwork(4).fit(patterns(1, 4)).recall(torch.ones(0, 4), trace=True)
    assert recall.state.shape == (0, 4)
    assert recall.sweeps == 0
    assert recall.energy.shape == (1, 0)


# ---- how much fits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "measured"), [(10, 1.0), (21, 0.9992), (28, 0.9972), (37, 0.9909), (60, 0.9668)], ids=lambda v: str(v)
)
def test_stability_of_a_bit_is_the_binomial_distributions(count, measured):
    """One step from a stored pattern turns a bit when the others, (P - 1)(N - 1) tosses of ±1, add up to < -(N - 1).

    For large N that is ½ erfc(√(N / 2P)). P/N is .05, .105, .138 (the capacity), .185 and .3.
    """
    right = []
    for seed in range(40):
        x = patterns(count, 200, seed)
        right.append((HopfieldNetwork(200).fit(x).recall(x, "sync", max_sweeps=1).state == x).double().mean())
    right, tosses = torch.stack(right).mean().item(), (count - 1) * 199
    assert right == pytest.approx(1 - binom.cdf((tosses - 199 - 1) / 2, tosses, 0.5), abs=5e-4)
    assert right == pytest.approx(measured, abs=1e-3)
    assert right == pytest.approx(1 - 0.5 * math.erfc(math.sqrt(200 / (2 * count))), abs=2e-3)


def test_recall_breaks_down_past_the_capacity():
    """Overlap with the memory after recall from it: near 1 below 0.138 N, far from it above."""
    overlaps = []
    for load in (0.08, 0.25):
        x = patterns(int(load * 400), 400)
        recall = HopfieldNetwork(400).fit(x).recall(x, generator=generator())
        overlaps.append((recall.state * x).mean().item())
    assert overlaps[0] > 0.99
    assert overlaps[1] < 0.6


# ---- the learned rule ------------------------------------------------------------------------------------------------


def test_learning_recalls_what_hebb_cannot():
    """P/N = 0.2, 12 patterns on 60 units: about 0.6 of the memories are minima by Hebb's rule, all after learning."""
    kept = {network: [] for network in NETWORKS}
    recalled = {network: [] for network in NETWORKS}
    for seed in range(10):
        x = patterns(12, 60, seed)
        for network in NETWORKS:
            extra = {"generator": generator(seed)} if network is HopfieldNetworkOptimized else {}
            trained = network(60).fit(x, **extra)
            kept[network].append(is_fixed_point(trained, x).float().mean())
            ends = trained.recall(damaged(x, 0.1, seed), generator=generator(seed)).state
            recalled[network].append((ends * x).mean())
    plain, learned = (torch.stack(kept[network]).mean().item() for network in NETWORKS)
    assert 0.4 < plain < 0.75
    assert learned == 1.0
    plain, learned = (torch.stack(recalled[network]) for network in NETWORKS)
    assert (learned >= plain).all()
    assert plain.mean() < 0.85
    assert learned.mean() > 0.97


def test_learning_is_gradient_descent_on_the_energies():
    """One epoch is W - 2 lr / N ∂/∂W Σ E(ξ) - E(f), with f the minima it fell into."""
    x, lr = patterns(12, 20, dtype=torch.float64), 0.3
    network = HopfieldNetworkOptimized(20, dtype=torch.float64).fit(x, epochs=0)
    noisy, source = x.clone(), generator(5)
    noisy[torch.rand(x.shape, generator=source) < 0.2] *= -1
    fallen = network.recall(noisy, generator=source).state
    assert (fallen != x).any()
    weight = network.weight.clone().requires_grad_()

    def energy(s):
        return -0.5 * torch.einsum("pi,ij,pj->p", s, weight, s)

    (gradient,) = torch.autograd.grad((energy(x) - energy(fallen)).sum(), weight)
    expected = (weight.detach() - 2 * lr / 20 * gradient).fill_diagonal_(0)
    network.fit(x, epochs=1, lr=lr, noise=0.2, generator=generator(5))
    torch.testing.assert_close(network.weight, expected, rtol=0, atol=1e-12)


def test_without_epochs_it_is_hebbs_rule_and_without_mistakes_it_stays():
    x = patterns(3, 100)
    hebb = HopfieldNetwork(100).fit(x).weight
    assert torch.equal(HopfieldNetworkOptimized(100).fit(x, epochs=0).weight, hebb)
    assert torch.equal(HopfieldNetworkOptimized(100).fit(x, noise=0.05).weight, hebb)


def test_learning_repeats_under_a_generator():
    x, random = patterns(12, 30), torch.get_rng_state()
    weights = [HopfieldNetworkOptimized(30).fit(x, generator=generator(s)).weight for s in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), random)
