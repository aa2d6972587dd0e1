"""Laws of sinusoids, rotations and relative offsets."""

import math

import pytest
import torch

from groundup import functional as G
from parity import seeded_randn


def test_the_first_sinusoid_is_zero_one_zero_one():
    """Sines on even features, cosines on odd ones, as the paper interleaves them (not 1, 0, 1, 0)."""
    assert G.sinusoids(torch.tensor([0]), 8)[0].tolist() == [0.0, 1.0] * 4
    p3 = G.sinusoids(torch.tensor([3]), 4)[0]
    expected = [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]
    torch.testing.assert_close(p3, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)


def test_a_shift_of_sinusoids_is_one_rotation():
    """PE(p + k) = R_k PE(p) for every p, R_k turning each pair by k θ_i: what lets relative positions be learned."""
    k, E = 5, 6
    pe = G.sinusoids(torch.arange(50), E).unflatten(-1, (-1, 2))  # p, i, (sin, cos)
    theta = 10000.0 ** (-torch.arange(0, E, 2, dtype=torch.float64) / E)
    sin, cos = (k * theta).sin(), (k * theta).cos()
    turned = torch.stack([pe[..., 0] * cos + pe[..., 1] * sin, pe[..., 1] * cos - pe[..., 0] * sin], -1)
    torch.testing.assert_close(turned[:-k], pe[k:], rtol=0, atol=1e-12)


def angles(positions, features):
    a = positions[:, None] * 10000.0 ** (-torch.arange(0, features, 2, dtype=torch.float64) / features)
    return a.cos(), a.sin()


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_depends_on_the_offset_alone(interleaved):
    """⟨R_m q, R_n k⟩ is a function of n - m; norms stay; R_0 is the identity."""
    q, k = seeded_randn(8), seeded_randn(8, seed=3)

    def turned(x, position):
        return G.rotary(x[None], *angles(torch.tensor([position]), 8), interleaved)[0]

    for offset in (0, 1, 7, 100):
        products = [(turned(q, m) @ turned(k, m + offset)).item() for m in (0, 1, 13, 1000)]
        assert products == pytest.approx([products[0]] * 4, abs=1e-9)
    assert turned(q, 123).norm().item() == pytest.approx(q.norm().item(), abs=1e-12)
    assert torch.equal(turned(q, 0), q)


def test_the_two_pairings_are_one_function_up_to_a_permutation():
    """Features (2i, 2i + 1) of one layout are (i, i + D/2) of the other (trap T30)."""
    x = seeded_randn(2, 3, 7, 8)
    order = torch.arange(8).view(4, 2).T.flatten()  # 0 2 4 6 1 3 5 7
    turn = angles(torch.arange(7), 8)
    half = G.rotary(x[..., order], *turn, interleaved=False)
    torch.testing.assert_close(half, G.rotary(x, *turn, interleaved=True)[..., order], rtol=0, atol=1e-12)
    assert not torch.allclose(G.rotary(x, *turn), G.rotary(x, *turn, interleaved=True))


def test_rotary_gradcheck():
    x = seeded_randn(2, 3, 4).requires_grad_()
    for interleaved in (False, True):
        assert torch.autograd.gradcheck(lambda a, i=interleaved: G.rotary(a, *angles(torch.arange(3), 4), i), [x])


def test_relative_index_is_the_published_table():
    """(di + M - 1)(2M - 1) + (dj + M - 1) on a 2 × 2 window, and every offset of a 3 × 4 one used."""
    assert G.relative_index(2, 2).tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]
    index = G.relative_index(3, 4)
    assert index.unique().tolist() == list(range(5 * 7))
    assert (index + index.T == 5 * 7 - 1).all()  # opposite offsets stand opposite in the table
