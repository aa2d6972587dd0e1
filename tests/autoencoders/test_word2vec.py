"""Word2Vec: its optimum is mutual information, its loss equation 4, its noise count^(3/4); what the vectors answer."""

import math

import pytest
import torch
import torch.nn.functional as F

from groundup import backend
from groundup.autoencoders import NegativeSampling, Word2Vec, noise_distribution
from groundup.autoencoders.negative_sampling import PROBABILITY_ONE
from groundup.functional import softplus
from groundup.optimizers import SGD, AdaGrad
from parity import randomise, seeded_randn

COUNTS = [40, 21, 1, 8, 13, 2, 5, 3]
CENTRES = torch.tensor([3, 0, 7, 3, 1])
AROUND = torch.tensor([[1, 7, 0], [2, 2, 5], [6, 0, 0], [4, 3, 3], [5, 5, 5]])
REAL = torch.tensor([[True, True, True], [True, True, False], [True, False, False], [False, True, True], [True] * 3])
TARGET = torch.tensor([5, 1, 0, 2, 7])


def word2vec(mode="skipgram", output="negative_sampling", **options):
    return randomise(Word2Vec(8, 4, mode, output, COUNTS, **options).double())


def words_of(mode):
    return (CENTRES, None) if mode == "skipgram" else (AROUND, REAL)


# ---- negative sampling -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [1.0, 0.75])
def test_the_optimum_is_pointwise_mutual_information(power):
    """Levy and Goldberg 2014: with room for it, w_i · c_j = log(P(i, j) / (P(i) P_n(j))) - log k; PMI at power 1."""
    V, k = 6, 5
    together = torch.randint(1, 60, (V, V), generator=torch.Generator().manual_seed(0)).double()
    joint = together / together.sum()
    word, context = joint.sum(1), joint.sum(0)
    noise = noise_distribution(together.sum(0), power)
    torch.manual_seed(0)
    model = Word2Vec(V, V, counts=together.sum(0).long(), num_negatives=k, dtype=torch.float64)
    torch.nn.init.normal_(model.weight)
    torch.nn.init.normal_(model.output.weight)
    everyone = torch.arange(V)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=3000, tolerance_grad=1e-13, tolerance_change=1e-18, line_search_fn="strong_wolfe"
    )

    def expected_loss():
        """Equation 4 in expectation over pairs and noise."""
        optimizer.zero_grad()
        scores = model(everyone, everyone.expand(V, V))
        loss = (joint * softplus(-scores)).sum() + k * (word[:, None] * noise * softplus(scores)).sum()
        loss.backward()
        return loss

    optimizer.step(expected_loss)
    optimum = torch.log(joint / (word[:, None] * noise)) - math.log(k)
    if power == 1:
        torch.testing.assert_close(optimum, torch.log(joint / torch.outer(word, context)) - math.log(k))
    torch.testing.assert_close(model(everyone, everyone.expand(V, V)), optimum, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
@pytest.mark.parametrize("several", [False, True], ids=["(B,)", "(B, K)"])
def test_loss_is_binary_cross_entropy_of_true_words_and_noise(mode, several):
    """Value and gradients of equation 4, by torch.nn.Embedding and F.binary_cross_entropy_with_logits."""
    model = word2vec(mode, num_negatives=3)
    words, mask = words_of(mode)
    target = torch.stack([TARGET, TARGET.flip(0)], 1) if several else TARGET
    loss = model.loss(words, target, mask, torch.Generator().manual_seed(5), reduction="none")

    noise = model.output.draw((*target.shape, 3), torch.Generator().manual_seed(5))
    inputs, outputs = (
        torch.nn.Embedding.from_pretrained(weight.detach().clone(), freeze=False)
        for weight in (model.weight, model.output.weight)
    )
    h = inputs(words)
    if mode == "cbow":
        h = torch.stack([row[m].mean(0) for row, m in zip(h, mask)])
    h = h[:, None] if several else h
    positive, negative = (outputs(target) * h).sum(-1), (outputs(noise) * h[..., None, :]).sum(-1)
    expected = F.binary_cross_entropy_with_logits(positive, torch.ones_like(positive), reduction="none")
    expected = expected + F.binary_cross_entropy_with_logits(
        negative, torch.zeros_like(negative), reduction="none"
    ).sum(-1)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    cotangent = seeded_randn(*loss.shape, seed=3)
    loss.backward(cotangent)
    expected.backward(cotangent)
    torch.testing.assert_close(model.weight.grad, inputs.weight.grad, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.output.weight.grad, outputs.weight.grad, rtol=1e-12, atol=1e-12)


def test_reductions():
    model = word2vec()
    each, total, mean = (
        model.loss(CENTRES, TARGET, generator=torch.Generator().manual_seed(0), reduction=r)
        for r in ("none", "sum", "mean")
    )
    assert each.shape == (5,)
    torch.testing.assert_close(total, each.sum())
    torch.testing.assert_close(mean, each.mean())


def chi_square(drawn, probability):
    expected = probability * drawn.numel()
    return (((drawn.flatten().bincount(minlength=len(probability)) - expected) ** 2) / expected).sum().item()


def test_noise_is_drawn_by_count_to_three_quarters():
    """χ² with 7 degrees of freedom is above 24.3 once in a thousand; by counts or uniform it would be thousands."""
    head = NegativeSampling(8, 4, COUNTS)
    drawn = head.draw((200_000,), torch.Generator().manual_seed(0))
    weight = torch.tensor(COUNTS).double() ** 0.75
    torch.testing.assert_close(noise_distribution(torch.tensor(COUNTS)), weight / weight.sum())
    assert chi_square(drawn, weight / weight.sum()) < 24.3
    for other in (torch.tensor(COUNTS).double(), torch.ones(8).double()):
        assert chi_square(drawn, other / other.sum()) > 1000


@pytest.mark.parametrize("power", [0.75, 0.0, -1.0])
def test_words_that_never_occur_are_never_drawn(power):
    head = NegativeSampling(6, 4, [0, 5, 0, 0, 1, 0], power=power)
    assert head.draw((10_000,)).unique().tolist() == [1, 4]


def test_the_ends_of_the_distribution_belong_to_words_that_occur(monkeypatch):
    """0 is no draw of a first word with probability 0; the largest draw is one of the last that occurs."""
    head = NegativeSampling(6, 4, [0, 5, 0, 0, 1, 0])
    monkeypatch.setattr(torch, "randint", lambda *bounds, **options: torch.tensor([0, PROBABILITY_ONE - 1]))
    assert head.draw((2,)).tolist() == [1, 4]


def test_without_counts_noise_is_uniform():
    assert chi_square(NegativeSampling(10, 4).draw((100_000,)), torch.full((10,), 0.1)) < 27.9  # once in a thousand


def test_noise_is_the_generators_and_no_dtype_rounds_it():
    model = Word2Vec(8, 4, counts=COUNTS)
    state = torch.get_rng_state()
    draws = [model.output.draw((50,), torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), state)
    before = model.output.noise.clone()
    assert torch.equal(model.bfloat16().output.noise, before)
    assert torch.equal(model.output.draw((50,), torch.Generator().manual_seed(1)), draws[0])


def test_the_state_dict_holds_the_noise():
    """What is loaded samples like what was saved, whatever counts the model was built with."""
    source, target = word2vec(), Word2Vec(8, 4, counts=COUNTS[::-1]).double()
    assert not torch.equal(source.output.noise, target.output.noise)
    target.load_state_dict(source.state_dict())
    losses = [m.loss(CENTRES, TARGET, generator=torch.Generator().manual_seed(0)) for m in (source, target)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("output", ["negative_sampling", "hierarchical_softmax"])
def test_emptied_and_reset_it_is_as_it_began(output):
    model = Word2Vec(8, 4, output=output, counts=COUNTS)
    before = {name: value.clone() for name, value in model.output.state_dict().items()}
    model.to_empty(device="cpu").reset_parameters()
    for name, value in model.output.state_dict().items():
        assert torch.equal(value, before[name])
    assert model.weight.abs().max() <= 0.5 / 4
    assert model.weight.unique().numel() == 32


# ---- both outputs, both modes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["negative_sampling", "hierarchical_softmax"])
@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
def test_a_column_of_targets_is_as_good_as_a_row(mode, output):
    """(B, 1) and (B,): elsewhere the documented (B, 1) failed."""
    model = word2vec(mode, output)
    words, mask = words_of(mode)
    row, column = model(words, TARGET, mask), model(words, TARGET[:, None], mask)
    assert row.shape == (5,)
    assert column.shape == (5, 1)
    assert torch.equal(row, column[:, 0])
    losses = [model.loss(words, t, mask, torch.Generator().manual_seed(0), "none") for t in (TARGET, TARGET[:, None])]
    assert [tuple(loss.shape) for loss in losses] == [(5,), (5, 1)]
    assert torch.equal(losses[0], losses[1][:, 0])


def test_cbow_means_over_real_words_alone():
    model = word2vec("cbow")
    h = model.hidden(AROUND, REAL)
    expected = torch.stack([model.weight[row[m]].mean(0) for row, m in zip(AROUND, REAL)])
    torch.testing.assert_close(h, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(model.hidden(torch.where(REAL, AROUND, 6), REAL), h)  # what pads does not matter
    (grad,) = torch.autograd.grad(
        model.hidden(torch.tensor([[1, 6]]), torch.tensor([[True, False]])).sum(), model.weight
    )
    assert grad.any(1).nonzero().tolist() == [[1]]
    assert torch.equal(model.hidden(AROUND[:1], torch.zeros(1, 3, dtype=torch.bool)), h.new_zeros(1, 4))
    torch.testing.assert_close(model.hidden(AROUND), model.weight[AROUND].mean(1))


@pytest.mark.parametrize("output", ["negative_sampling", "hierarchical_softmax"])
@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
@pytest.mark.parametrize("optimizer", [SGD, AdaGrad], ids=["SGD", "AdaGrad"])
def test_sparse_gradients_make_the_same_step_and_hold_only_the_batch(mode, output, optimizer):
    words, mask = words_of(mode)
    models = [randomise(Word2Vec(500, 4, mode, output, range(500, 0, -1), 3, sparse=s).double()) for s in (False, True)]
    with backend("auto"):  # the definition's gradient is dense
        for model in models:
            steps = optimizer(model.parameters(), lr=0.1)
            for _ in range(2):
                steps.zero_grad()
                model.loss(words, TARGET, mask, torch.Generator().manual_seed(0)).backward()
                steps.step()
    dense, sparse = models
    for (name, ours), theirs in zip(sparse.named_parameters(), dense.parameters()):
        assert ours.grad.is_sparse, name
        assert not theirs.grad.is_sparse
        assert ours.grad._nnz() < 100
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_it_learns_which_words_are_neighbours():
    """Words 0-3 keep company with 0-3, words 4-7 with 4-7: neighbours in the text become neighbours in space."""
    torch.manual_seed(0)
    for mode in ("skipgram", "cbow"):
        for output in ("negative_sampling", "hierarchical_softmax"):
            model = Word2Vec(8, 8, mode, output)
            optimizer = AdaGrad(model.parameters(), lr=0.3)
            for _ in range(150):
                words = torch.randint(8, (64, 1 if mode == "skipgram" else 3))
                words = words % 4 + 4 * (words[:, :1] // 4)  # all of one company
                target = torch.randint(4, (64,)) + 4 * (words[:, 0] // 4)
                optimizer.zero_grad()
                model.loss(words[:, 0] if mode == "skipgram" else words, target).backward()
                optimizer.step()
            _, nearest = model.most_similar(torch.arange(8), 3)
            assert (nearest // 4 == torch.arange(8)[:, None] // 4).all(), (mode, output)


# ---- what the vectors answer -------------------------------------------------------------------------------------


def test_most_similar_by_the_cosine():
    model = word2vec()
    cosines, nearest = model.most_similar(CENTRES, k=7)
    for row, (values, indices) in enumerate(zip(cosines, nearest)):
        own = int(CENTRES[row])
        assert own not in indices
        assert sorted([*indices.tolist(), own]) == list(range(8))
        expected = F.cosine_similarity(model.weight[own][None], model.weight[indices])
        torch.testing.assert_close(values, expected.detach(), rtol=1e-12, atol=1e-12)
        assert (values.diff() <= 0).all()
    scaled = word2vec()
    scaled.weight.data.mul_(torch.arange(1.0, 9.0)[:, None])  # lengths do not matter
    assert torch.equal(scaled.most_similar(CENTRES, k=3)[1], nearest[:, :3])


def test_analogy_completes_the_parallelogram():
    """man : king = woman : queen, among unit vectors; the three that ask are never the answer."""
    man, king, woman, queen = 0, 1, 2, 3
    model = Word2Vec(6, 3)
    royal, female = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    base = torch.tensor([1.0, 0.0, 0.0])
    rows = [base, base + royal, base + female, base + royal + female, -base, royal]
    model.weight.data.copy_(torch.stack(rows))
    ask = [torch.tensor([w, w]) for w in (man, king, woman)]
    _, answers = model.analogy(*ask, k=3)
    assert answers[:, 0].tolist() == [queen, queen]
    assert not {man, king, woman} & set(answers.flatten().tolist())
