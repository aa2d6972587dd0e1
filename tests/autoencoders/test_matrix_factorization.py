"""Matrix factorization: Eckart and Young's optimum, pairs and tables, and a start that does not grow with the rank."""

import pytest
import torch
from torch import nn

from groundup.autoencoders import MatrixFactorization
from groundup.functional import mse_loss
from groundup.optimizers import SGD
from parity import randomise, seeded_randn

USERS, ITEMS = torch.tensor([0, 4, 4, 2, 1]), torch.tensor([3, 0, 3, 2, 2])


@pytest.fixture(params=[False, True], ids=["plain", "bias"])
def model(request):
    return randomise(MatrixFactorization(5, 4, 3, bias=request.param).double())


def minimise(parameters, loss):
    optimizer = torch.optim.LBFGS(
        parameters, lr=1, max_iter=2000, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return loss().item()


def test_the_optimum_of_a_whole_table_is_its_truncated_svd():
    """Eckart and Young 1936: the error left is the sum of the squares of the singular values left out."""
    ratings, rank = seeded_randn(7, 6), 3
    model = MatrixFactorization(7, 6, rank, dtype=torch.float64)
    users, items = torch.cartesian_prod(torch.arange(7), torch.arange(6)).unbind(1)
    error = minimise(model.parameters(), lambda: mse_loss(model(users, items), ratings.flatten(), reduction="sum"))
    u, s, vh = torch.linalg.svd(ratings)
    assert error == pytest.approx((s[rank:] ** 2).sum().item(), rel=1e-9)
    best = u[:, :rank] * s[:rank] @ vh[:rank]
    torch.testing.assert_close(model.table(), best, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_gradients_are_those_of_torch_embeddings(sparse):
    model = randomise(MatrixFactorization(5, 4, 3, bias=True, sparse=sparse).double())
    tables = {
        name: nn.Embedding.from_pretrained(p.detach().clone(), freeze=False) for name, p in model.named_parameters()
    }
    p, q = tables["user_factors"](USERS), tables["item_factors"](ITEMS)
    biases = tables["user_bias"](USERS) + tables["item_bias"](ITEMS)
    expected = model.mean + biases[:, 0] + torch.einsum("nr,nr->n", p, q)
    actual = model(USERS, ITEMS)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    cotangent = seeded_randn(5, seed=3)
    actual.backward(cotangent)
    expected.backward(cotangent)
    for name, parameter in model.named_parameters():
        grad = parameter.grad.to_dense()
        torch.testing.assert_close(grad, tables[name].weight.grad, rtol=1e-12, atol=1e-12)


def test_predict_gives_pairs_and_table_gives_tables(model):
    """One shape for forward and predict; the table's diagonal is theirs. Elsewhere predict gave all N × N."""
    pairs = model(USERS, ITEMS)
    assert pairs.shape == (5,)
    assert torch.equal(model.predict(USERS, ITEMS), pairs)
    assert not model.predict(USERS, ITEMS).requires_grad
    table = model.table(USERS, ITEMS)
    assert table.shape == (5, 5)
    torch.testing.assert_close(table.diagonal(), pairs.detach(), rtol=1e-12, atol=1e-12)
    whole = model.table()
    assert whole.shape == (5, 4)
    torch.testing.assert_close(whole[USERS, ITEMS], pairs.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.table(USERS), whole[USERS], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.table(items=ITEMS[:2]), whole[:, ITEMS[:2]], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 10, 1000])
def test_predictions_begin_alike_whatever_the_rank(rank):
    """Deviation 0.1. With N(0, 1) factors it would be √rank."""
    table = MatrixFactorization(600, 600, rank, bias=True, mean=3.0).table()
    assert table.mean().item() == pytest.approx(3.0, abs=0.02)
    assert table.std().item() == pytest.approx(0.1, rel=0.15)


def test_the_mean_is_a_buffer_that_is_saved_and_reset():
    model = MatrixFactorization(5, 4, 3, bias=True, mean=3.5)
    assert model.state_dict()["mean"] == 3.5
    assert "mean" not in dict(model.named_parameters())
    model.to_empty(device="cpu").reset_parameters()
    assert model.mean == 3.5
    assert (model.user_bias == 0).all()


def test_penalty_is_the_bracket_of_equations_2_and_5(model):
    expected = [
        sum(
            (row**2).sum()
            for row in (
                model.user_factors[u],
                model.item_factors[i],
                *([model.user_bias[u], model.item_bias[i]] if model.user_bias is not None else []),
            )
        )
        for u, i in zip(USERS, ITEMS)
    ]
    torch.testing.assert_close(model.penalty(USERS, ITEMS), torch.stack(expected), rtol=1e-12, atol=0)


def test_a_sparse_step_moves_what_was_rated_and_nothing_else():
    dense, sparse = (randomise(MatrixFactorization(50, 40, 3, bias=True, sparse=s)) for s in (False, True))
    before = {name: p.detach().clone() for name, p in sparse.named_parameters()}
    for model in (dense, sparse):
        mse_loss(model(USERS, ITEMS), torch.ones(5)).backward()
        SGD(model.parameters(), lr=0.1).step()
    for name, parameter in sparse.named_parameters():
        torch.testing.assert_close(parameter, dict(dense.named_parameters())[name])
        moved = (parameter != before[name]).any(1).nonzero()[:, 0].tolist()
        assert moved == sorted(set((USERS if "user" in name else ITEMS).tolist()))


def test_indices_of_32_bits(model):
    assert torch.equal(model(USERS.int(), ITEMS.int()), model(USERS, ITEMS))
