"""The linear autoencoder finds the principal components, as Baldi and Hornik proved."""

import pytest
import torch
from sklearn.decomposition import PCA, TruncatedSVD

from groundup.autoencoders import AutoencoderLinear
from groundup.functional import mse_loss
from parity import seeded_randn


@pytest.fixture
def x():
    """Correlated features, far from 0."""
    return seeded_randn(60, 6) @ seeded_randn(6, 6, seed=4) + 5 * seeded_randn(6, seed=5)


def projector(model):
    """A B: what is known of the weights; they themselves only up to an invertible K × K matrix."""
    return (model.decoder.weight @ model.encoder.weight).detach()


def pca_projector(x, k, centred=True):
    mean = x.mean(0) if centred else torch.zeros(x.size(1), dtype=x.dtype)
    fitted = (PCA(k) if centred else TruncatedSVD(k, algorithm="arpack")).fit(x.numpy())
    v = torch.as_tensor(fitted.components_.copy())
    return v.mT @ v, mean


@pytest.mark.parametrize("bias", [True, False])
def test_closed_form_is_pca(x, bias):
    model = AutoencoderLinear(6, 2, bias=bias, dtype=torch.float64)
    model.fit_closed_form(x)
    expected, mean = pca_projector(x, 2, centred=bias)
    torch.testing.assert_close(projector(model), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(model(x), mean + (x - mean) @ expected, rtol=0, atol=1e-9)
    discarded = torch.linalg.svdvals(x - mean)[2:]
    error = mse_loss(model(x), x, reduction="sum")
    assert error.item() == pytest.approx((discarded**2).sum().item(), rel=1e-10)
    gradients = torch.autograd.grad(error, list(model.parameters()))
    assert max(g.abs().max() for g in gradients) < 1e-9 * error


def test_closed_form_reconstructs_like_scikit_learn(x):
    model = AutoencoderLinear(6, 3, dtype=torch.float64)
    model.fit_closed_form(x)
    pca = PCA(3).fit(x.numpy())
    expected = torch.as_tensor(pca.inverse_transform(pca.transform(x.numpy())))
    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-10)
    codes = model.encode(x)  # up to the sign of each component
    torch.testing.assert_close(codes.abs(), torch.as_tensor(pca.transform(x.numpy())).abs(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_training_ends_at_the_principal_components(x, bias, seed):
    """No local minima: from any start the projector is PCA's, while the weights are another basis of it."""
    torch.manual_seed(seed)
    model = AutoencoderLinear(6, 2, bias=bias, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=3000, tolerance_grad=1e-10, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = mse_loss(model(x), x, reduction="sum")
        loss.backward()
        return loss

    optimizer.step(closure)
    expected, mean = pca_projector(x, 2, centred=bias)
    torch.testing.assert_close(projector(model), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(model(x), mean + (x - mean) @ expected, rtol=0, atol=1e-3)
    best = AutoencoderLinear(6, 2, bias=bias, dtype=torch.float64)
    best.fit_closed_form(x)
    assert not torch.allclose(model.encoder.weight, best.encoder.weight, atol=0.1)


def test_as_many_codes_as_inputs_lose_nothing(x):
    model = AutoencoderLinear(6, 6, dtype=torch.float64)
    model.fit_closed_form(x)
    torch.testing.assert_close(model(x), x, rtol=0, atol=1e-10)
    torch.testing.assert_close(model.decode(model.encode(x[0])), x[0], rtol=0, atol=1e-10)
