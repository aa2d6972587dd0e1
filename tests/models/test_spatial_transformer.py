"""Spatial transformers: what the identity leaves alone, where each θ looks, and thin plates through their points."""

import pytest
import torch
from torch import nn

from groundup import functional as G
from groundup.functional.sampling import regular_grid
from groundup.models.attention_networks import SpatialTransformer, SpatialTransformerNet
from groundup.models.attention_networks.spatial_transformer import MODES
from groundup.tools.inspect import summary
from parity import seeded_randn
from shape_column import check_shape_column

X = seeded_randn(2, 3, 6, 7)


@pytest.mark.parametrize("mode", MODES)
def test_it_begins_as_the_identity(mode):
    """A transformer that others have written raised `NotImplemented`, and could not be called at all."""
    layer = SpatialTransformer(nn.Flatten(), 3 * 6 * 7, mode, dtype=torch.float64)
    torch.testing.assert_close(layer(X), X, rtol=0, atol=1e-12)
    assert (layer.theta.weight == 0).all()


def test_the_net_begins_as_the_plain_one():
    net, plain = SpatialTransformerNet(), SpatialTransformerNet(mode=None)
    plain.load_state_dict({n: v for n, v in net.state_dict().items() if not n.startswith("transform.")})
    x = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(net(x), plain(x), rtol=0, atol=1e-5)
    check_shape_column(net, (1, 28, 28))


@pytest.mark.parametrize(
    ("theta", "moved"),
    [
        ([[1.0, 0, 2 / 6], [0, 1, 0]], lambda x: torch.cat([x[..., 1:], 0 * x[..., :1]], -1)),  # looks to the right
        ([[1.0, 0, 0], [0, 1, -2 / 5]], lambda x: torch.cat([0 * x[:, :, :1], x[:, :, :-1]], 2)),  # looks up
        ([[-1.0, 0, 0], [0, 1, 0]], lambda x: x.flip(3)),
        ([[-1.0, 0, 0], [0, -1, 0]], lambda x: x.flip(2, 3)),
    ],
    ids=["right", "up", "mirror", "half turn"],
)
@pytest.mark.parametrize("body", ["reference", "fused"])
def test_where_it_looks(theta, moved, body):
    grid = G.affine_grid.reference(torch.tensor([theta] * 2, dtype=torch.float64), (6, 7))
    torch.testing.assert_close(getattr(G.grid_sample, body)(X, grid), moved(X), rtol=0, atol=1e-12)


def test_corners_are_the_papers():
    """PyTorch's default puts ±1 at the edges of the outermost pixels, the paper at their centres."""
    eye = torch.eye(2, 3)[None]
    assert G.affine_grid(eye, (2, 2))[0, 0, 0].tolist() == [-1.0, -1.0]
    assert G.affine_grid(eye, (2, 2), align_corners=False)[0, 0, 0].tolist() == [-0.5, -0.5]
    assert G.affine_grid(eye, (1, 2))[0, 0].tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    theta = seeded_randn(2, 2, 3)
    mixed = G.grid_sample(X, G.affine_grid(theta, (6, 7)), align_corners=False)
    assert (mixed - G.grid_sample(X, G.affine_grid(theta, (6, 7)))).abs().max() > 0.1


@pytest.mark.parametrize("far", [1e9, float("inf"), float("nan")])
def test_far_away_there_is_nothing(far):
    grid = torch.full((2, 1, 1, 2), far, dtype=torch.float64)
    assert (G.grid_sample.reference(X, grid) == 0).all()


def test_thin_plates_take_their_points_where_they_are_told():
    control = regular_grid((3, 4), X).flatten(0, 1)
    at_control = G.thin_plate_matrix(control, (3, 4))
    torch.testing.assert_close(at_control, torch.eye(12, dtype=torch.float64), rtol=0, atol=1e-10)
    bend = G.thin_plate_matrix(control, (5, 6))
    torch.testing.assert_close(bend.sum(1), torch.ones(30, dtype=torch.float64))
    affine = seeded_randn(2, 2)  # what is affine at the points is affine everywhere
    torch.testing.assert_close(bend @ (control @ affine), regular_grid((5, 6), X).flatten(0, 1) @ affine)


@pytest.mark.parametrize("mode", MODES)
def test_the_localisation_learns_from_the_sampled_image(mode):
    layer = SpatialTransformer(nn.Flatten(), 3 * 6 * 7, mode, output_size=4).double()
    layer(X).square().sum().backward()
    assert layer.theta.weight.grad.abs().sum() > 0


def test_every_parameter_learns():
    net = SpatialTransformerNet()
    with torch.no_grad():
        net.transform.theta.weight.normal_(std=0.01)  # at 0, the layers before it wait for it
    net(torch.rand(8, 1, 28, 28)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_numbers():
    """Twice 416 + 6,416 + 25,120 for the same layers, 198 for θ, 330 for the scores."""
    assert summary(SpatialTransformerNet(device="meta"), (1, 28, 28)).parameters == 2 * 31_952 + 198 + 330
