"""The restricted Boltzmann machine against all its states, enumerated, and against scikit-learn's."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

from groundup.models.energy_based_models import RestrictedBoltzmannMachine
from groundup.optimizers import SGD
from parity import randomise

SHAPES = [(3, 3), (4, 2), (2, 4)]  # six units, whichever layer is the smaller
six_units = pytest.mark.parametrize(("visible", "hidden"), SHAPES, ids=str)
EXACT = {"rtol": 0, "atol": 1e-10}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def machine(visible=3, hidden=3, seed=1, dtype=torch.float64):
    return randomise(RestrictedBoltzmannMachine(visible, hidden, dtype=dtype), seed)


def states(units):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=units)), dtype=torch.float64)


def bits(*shape, seed=2, dtype=torch.float64):
    return torch.randint(2, shape, generator=generator(seed)).to(dtype)


def weights_of_all(rbm):
    """exp(-E(v, h)) of every pair of states, (2^V, 2^H), sum by sum."""
    W, b, c = rbm.weight.detach(), rbm.visible_bias.detach(), rbm.hidden_bias.detach()

    def minus_energy(v, h):
        pairs = sum(h[j] * W[j, i] * v[i] for j in range(len(c)) for i in range(len(b)))
        return pairs + sum(b * v) + sum(c * h)

    return torch.stack([torch.stack([minus_energy(v, h) for h in states(len(c))]) for v in states(len(b))]).exp()


def joint(rbm):
    return weights_of_all(rbm) / weights_of_all(rbm).sum()


def gradients(rbm, loss):
    return dict(zip(("W", "b", "c"), torch.autograd.grad(loss, (rbm.weight, rbm.visible_bias, rbm.hidden_bias))))


def expected_gradients(rbm, data, model):
    """-⟨h v⟩ under a distribution over v, and the same under another; h given v is the machine's own."""
    v, p_h = states(rbm.num_visible), (joint(rbm) / joint(rbm).sum(1, keepdim=True)) @ states(rbm.num_hidden)
    apart = model - data
    return {"W": torch.einsum("s,sj,si->ji", apart, p_h, v), "b": apart @ v, "c": apart @ p_h}


def distribution(rbm, v):
    """How often each visible state occurs in v."""
    place = 2 ** torch.arange(rbm.num_visible).flip(0)
    return (v.long() @ place).bincount(minlength=2**rbm.num_visible).double() / len(v)


def transition(rbm):
    """P(v' | v) of a Gibbs step, (2^V, 2^V)."""
    p = joint(rbm)
    return (p / p.sum(1, keepdim=True)) @ (p / p.sum(0, keepdim=True)).mT


def assert_close(actual, expected, atol=1e-10):
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=0, atol=atol)


# ---- the distribution, against enumeration ---------------------------------------------------------------------------


@six_units
def test_energies_and_conditionals(visible, hidden):
    rbm = machine(visible, hidden)
    unnormalised, p = weights_of_all(rbm), joint(rbm)
    v, h = states(visible), states(hidden)
    pairs = [t.reshape(-1, t.size(-1)) for t in (v[:, None].expand(-1, len(h), -1), h.expand(len(v), -1, -1))]
    torch.testing.assert_close(rbm.energy(*pairs), -unnormalised.log().flatten(), **EXACT)
    torch.testing.assert_close(rbm.free_energy(v), -unnormalised.sum(1).log(), **EXACT)
    torch.testing.assert_close(rbm.hidden_probs(v), (p / p.sum(1, keepdim=True)) @ h, **EXACT)
    torch.testing.assert_close(rbm.visible_probs(h), (p / p.sum(0)).mT @ v, **EXACT)


@six_units
def test_likelihood(visible, hidden):
    rbm = machine(visible, hidden)
    torch.testing.assert_close(rbm.log_partition(), weights_of_all(rbm).sum().log(), **EXACT)
    torch.testing.assert_close(rbm.log_likelihood(states(visible)), joint(rbm).sum(1).log(), **EXACT)


def test_log_partition_of_many_states():
    """More states than are held at once (2¹⁴), from either side."""
    rbm = machine(15, 16, dtype=torch.float64)
    turned = RestrictedBoltzmannMachine(16, 15, dtype=torch.float64)
    turned.load_state_dict({"weight": rbm.weight.mT, "visible_bias": rbm.hidden_bias, "hidden_bias": rbm.visible_bias})
    expected = torch.logsumexp(-rbm.free_energy(states(15)), 0)
    torch.testing.assert_close(rbm.log_partition(), expected, **EXACT)
    torch.testing.assert_close(turned.log_partition(), expected, **EXACT)


@six_units
def test_pseudo_likelihood(visible, hidden):
    rbm, v = machine(visible, hidden), states(visible)
    p = joint(rbm).sum(1)
    expected = torch.zeros_like(p)
    for i in range(visible):
        turned = (v * 2 ** torch.arange(visible).flip(0)).sum(1).long() ^ 2 ** (visible - 1 - i)
        expected += (p / (p + p[turned])).log()
    torch.testing.assert_close(rbm.pseudo_likelihood(v), expected, **EXACT)
    many = v[1].expand(20_000, -1)
    estimate = rbm.pseudo_likelihood(many, exact=False, generator=generator())
    assert len(estimate.unique()) == visible  # one term each
    assert estimate.mean().item() == pytest.approx(expected[1].item(), abs=0.05)


@six_units
def test_gradient_of_the_likelihood(visible, hidden):
    """∂(-log P)/∂W = -⟨h v⟩_data + ⟨h v⟩_model."""
    rbm, v = machine(visible, hidden), bits(10, visible)
    actual = gradients(rbm, -rbm.log_likelihood(v).mean())
    assert_close(actual, expected_gradients(rbm, distribution(rbm, v), joint(rbm).sum(1)))


# ---- contrastive divergence ------------------------------------------------------------------------------------------


def test_its_gradient_is_the_papers():
    rbm, v = machine(6, 4), bits(10, 6)
    fallen = rbm.gibbs(v, 3, generator(5))
    apart = {}
    for x, sign in ((v, -1), (fallen, 1)):
        h = torch.sigmoid(x @ rbm.weight.mT + rbm.hidden_bias).detach()
        for name, value in (("W", h.mT @ x), ("b", x.sum(0)), ("c", h.sum(0))):
            apart[name] = apart.get(name, 0) + sign * value / 10
    assert_close(gradients(rbm, rbm.contrastive_divergence(v, 3, generator=generator(5))), apart)


def test_more_steps_bring_it_to_the_likelihoods_gradient():
    """In expectation exactly (by the matrix of a Gibbs step), and as drawn, within the error of 40,000 chains."""
    rbm, rows = machine(seed=3), bits(4, 3)
    with torch.no_grad():
        rbm.weight.mul_(2)  # it mixes slowly, so that k matters
    data, model = distribution(rbm, rows), joint(rbm).sum(1)
    maximum_likelihood = expected_gradients(rbm, data, model)
    distances = []
    for k in (1, 2, 5, 20, 100):
        after = data @ torch.linalg.matrix_power(transition(rbm), k)
        expected = expected_gradients(rbm, data, after)
        actual = gradients(rbm, rbm.contrastive_divergence(rows.repeat(10_000, 1), k, generator=generator(k)))
        assert_close(actual, expected, atol=0.015)
        distances.append((expected["W"] - maximum_likelihood["W"]).norm().item())
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.1
    assert distances[-1] < 1e-3


def test_cd_1_really_samples():
    """The same seed gives the same gradient, another seed another: hidden states are drawn, not probabilities used."""
    rbm, v = machine(20, 10), bits(8, 20)
    drawn = [gradients(rbm, rbm.contrastive_divergence(v, generator=generator(s)))["W"] for s in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert set(rbm.gibbs(v, generator=generator()).unique().tolist()) == {0.0, 1.0}


def test_hidden_states_are_binary_when_they_generate():
    """With one hidden unit of probability ½ that copies itself to all visible ones, a sample is all 0 or all 1."""
    rbm = RestrictedBoltzmannMachine(6, 1)
    with torch.no_grad():
        rbm.weight.fill_(100.0)
        rbm.visible_bias.fill_(-50.0)
        rbm.hidden_bias.fill_(-300.0)
    half = torch.full((200, 6), 0.5)  # W·v + c = 0
    v = rbm.gibbs(half, generator=generator())
    assert set(v.sum(1).tolist()) == {0.0, 6.0}


def test_the_callers_chains_move_on():
    rbm, v = machine(6, 4), bits(10, 6)
    chains = bits(25, 6, seed=4)
    kept = chains.clone()
    expected = rbm.gibbs(kept, 2, generator(5))
    loss = rbm.contrastive_divergence(v, 2, chains, generator(5))
    assert torch.equal(chains, expected)
    assert not torch.equal(chains, kept)
    assert not chains.requires_grad
    torch.testing.assert_close(loss, rbm.free_energy(v).mean() - rbm.free_energy(chains).mean())
    rbm.contrastive_divergence(v, 2, generator=generator(5))
    assert torch.equal(chains, expected)  # not without being given


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("chains", [None, 7], ids=["CD", "PCD"])
def test_fit_is_gradient_descent_on_it(k, chains):
    """The same random numbers, the same weights: also with a last batch that is smaller, and fewer chains than rows."""
    x = bits(25, 6)
    fitted, stepped = machine(6, 4), machine(6, 4)
    mine, theirs = (None if chains is None else bits(chains, 6, seed=3) for _ in range(2))
    assert fitted.fit(x, epochs=2, batch_size=10, lr=0.3, k=k, persistent=mine, generator=generator(8)) is fitted
    source, optimizer = generator(8), SGD(stepped.parameters(), lr=0.3)
    for _ in range(2):
        for v in x[torch.randperm(25, generator=source)].split(10):
            optimizer.zero_grad()
            stepped.contrastive_divergence(v, k, theirs, source).backward()
            optimizer.step()
    assert_close(fitted.state_dict(), stepped.state_dict(), atol=1e-12)
    if chains:
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("chains", [None, 20], ids=["CD-1", "PCD-1"])
def test_the_likelihood_rises_in_training(chains):
    """Bars and stripes on 3 × 3, log P known exactly: from 9 log ½ a row towards -log 14, the data's own."""
    bars = states(3)[:, None, :].expand(8, 3, 3)
    x = torch.cat([bars, bars.mT]).flatten(1).unique(dim=0)
    assert len(x) == 14
    torch.manual_seed(0)
    rbm = RestrictedBoltzmannMachine(9, 12, dtype=torch.float64)
    persistent = None if chains is None else rbm.sample(chains, 0, generator())
    likelihoods, source = [rbm.log_likelihood(x).mean().item()], generator()
    for _ in range(4):
        rbm.fit(x.repeat(5, 1), epochs=100, lr=0.1, persistent=persistent, generator=source)
        likelihoods.append(rbm.log_likelihood(x).mean().item())
    assert likelihoods[0] == pytest.approx(9 * np.log(0.5), abs=0.05)
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] > -3.75


def test_works_with_any_torch_optimizer():
    rbm, x = RestrictedBoltzmannMachine(9, 5), bits(50, 9, dtype=torch.float32)
    optimizer = torch.optim.Adam(rbm.parameters(), lr=0.05)
    for _ in range(50):
        optimizer.zero_grad()
        rbm.contrastive_divergence(torch.cat([x, x.new_ones(50, 9)]), generator=generator()).backward()
        optimizer.step()
    assert (rbm(torch.ones(9)) < rbm(torch.zeros(9))).item()


# ---- sampling and reconstruction -------------------------------------------------------------------------------------


def test_samples_follow_the_distribution():
    rbm = machine(4, 3, seed=2)
    found = distribution(rbm, rbm.sample(40_000, 60, generator()))
    assert (found - joint(rbm).sum(1)).abs().sum() < 0.03


def test_samples_repeat_under_a_generator_and_leave_the_global_one_alone():
    rbm, state = machine(20, 10), torch.get_rng_state()
    one, two, other = (rbm.sample(5, 10, generator(s)) for s in (0, 0, 1))
    rbm.fit(bits(20, 20), 1, generator=generator())
    rbm.pseudo_likelihood(bits(20, 20), exact=False, generator=generator())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_no_steps_and_no_chains():
    rbm, v = machine(6, 4), bits(3, 6)
    assert torch.equal(rbm.gibbs(v, 0), v)
    assert rbm.sample(0).shape == (0, 6)
    coins = rbm.sample(10_000, 0, generator())
    assert coins.mean().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_blank_and_full_images_are_data_like_any(value):
    rbm, v = RestrictedBoltzmannMachine(6, 4), torch.full((12, 6), value)
    assert rbm.gibbs(v, 2).shape == (12, 6)
    assert rbm.contrastive_divergence(v).isfinite()
    assert rbm.reconstruct(v).isfinite().all()
    rbm.fit(v, epochs=100)
    assert ((rbm.reconstruct(v) - value).abs() < 0.1).all()
    assert rbm.pseudo_likelihood(v).mean() > -0.5


def test_reconstruction():
    rbm, v = machine(6, 4), bits(3, 6)
    once = rbm.visible_probs(rbm.hidden_probs(v))
    torch.testing.assert_close(rbm.reconstruct(v), once)
    torch.testing.assert_close(rbm.reconstruct(v, steps=2), rbm.visible_probs(rbm.hidden_probs(once)))
    known = torch.tensor([True] * 4 + [False] * 2).expand_as(v)
    filled = rbm.reconstruct(v, known, steps=3)
    assert torch.equal(filled[known], v[known])
    again = torch.where(known, v, rbm.visible_probs(rbm.hidden_probs(rbm.reconstruct(v, known, steps=2))))
    torch.testing.assert_close(filled, again)


def test_any_batch_shape():
    rbm, v = machine(6, 4), bits(2, 3, 6)
    assert rbm.hidden_probs(v).shape == (2, 3, 4)
    assert rbm.gibbs(v).shape == (2, 3, 6)
    torch.testing.assert_close(rbm.pseudo_likelihood(v).flatten(), rbm.pseudo_likelihood(v.flatten(0, 1)))
    assert rbm.pseudo_likelihood(v[0, 0], exact=False).shape == ()


def test_finite_at_saturation():
    rbm = RestrictedBoltzmannMachine(3, 2)
    for value in (1e4, -1e4):
        with torch.no_grad():
            rbm.weight.fill_(value)
        v = bits(4, 3, dtype=torch.float32).requires_grad_()
        for result in (rbm(v), rbm.pseudo_likelihood(v), rbm.log_partition()[None]):
            assert result.isfinite().all()
            assert all(g.isfinite().all() for g in torch.autograd.grad(result.sum(), rbm.weight))


def test_begins_as_hintons_guide_says():
    rbm = RestrictedBoltzmannMachine(300, 200)
    assert rbm.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not rbm.visible_bias.any()
    assert not rbm.hidden_bias.any()


# ---- scikit-learn ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return (load_digits().data >= 8).astype(np.float64)


def copied(theirs):
    rbm = RestrictedBoltzmannMachine(theirs.components_.shape[1], theirs.components_.shape[0], dtype=torch.float64)
    names = {"weight": "components_", "visible_bias": "intercept_visible_", "hidden_bias": "intercept_hidden_"}
    rbm.load_state_dict({ours: torch.from_numpy(getattr(theirs, name)).double() for ours, name in names.items()})
    return rbm


def test_against_scikit_learn(digits):
    theirs = BernoulliRBM(40, n_iter=2, random_state=0).fit(digits)
    rbm, v = copied(theirs), torch.from_numpy(digits)
    torch.testing.assert_close(rbm.hidden_probs(v), torch.from_numpy(theirs.transform(digits)), **EXACT)
    torch.testing.assert_close(rbm.free_energy(v), torch.from_numpy(theirs._free_energy(digits)), **EXACT)
    estimates = [rbm.pseudo_likelihood(v, exact=False, generator=generator()).mean().item()]
    estimates += [theirs.score_samples(digits).mean()]
    assert estimates == pytest.approx([rbm.pseudo_likelihood(v).mean().item()] * 2, abs=1.0)


def test_learns_no_less_than_scikit_learn_in_as_many_epochs(digits):
    """Pseudo-likelihood of the binarised digits, exact, from scikit-learn's own settings."""
    v = torch.from_numpy(digits)
    theirs = copied(BernoulliRBM(64, n_iter=5, random_state=0).fit(digits.astype(np.float32)))
    for chains in (None, 10):
        torch.manual_seed(0)
        ours = RestrictedBoltzmannMachine(64, 64)
        persistent = None if chains is None else ours.sample(chains, 0, generator())
        ours.fit(v.float(), epochs=5, persistent=persistent, generator=generator())
        with torch.no_grad():
            margin = ours.double().pseudo_likelihood(v).mean() - theirs.pseudo_likelihood(v).mean()
        assert margin > 0
