"""The recurrent attention model: what its sensor sees, who learns from what, and where REINFORCE points."""

import pytest
import torch
import torch.nn.functional as F

from groundup.models.attention_networks import RecurrentAttention, hybrid_loss
from groundup.optimizers import Adam
from parity import randomise, seeded_randn
from rows.recurrent_attention import SMALL, GlimpseOracle

TARGET = torch.tensor([0, 2, 1, 1])


def model(**options):
    made = randomise(RecurrentAttention(**{**SMALL, **options})).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(0.4)
    return made


def test_in_the_middle_the_sensor_cuts_out_the_middle():
    x, net = seeded_randn(2, 2, 16, 16), model(glimpse_size=4, num_scales=3)
    seen = net.sensor(x, torch.zeros(2, 2, dtype=torch.float64))
    assert seen.shape == (2, 3, 2, 4, 4)  # all scales have one size
    torch.testing.assert_close(seen[:, 0], x[:, :, 6:10, 6:10])
    torch.testing.assert_close(seen[:, 1], F.avg_pool2d(x[:, :, 4:12, 4:12], 2))
    torch.testing.assert_close(seen[:, 2], F.avg_pool2d(x, 4))


def test_places_are_x_then_y_and_outside_there_is_nothing():
    x, net = seeded_randn(1, 2, 8, 12), model(glimpse_size=2)
    right = net.sensor(x, torch.tensor([[1.0, 0.0]], dtype=torch.float64))[0, 0]  # half of it beyond the edge
    torch.testing.assert_close(right[..., 0], x[0, :, 3:5, 11])
    assert right[..., 1].abs().max() < 1e-14
    up = net.sensor(x, torch.tensor([[0.0, -0.75]], dtype=torch.float64))[0, 0]  # three pixels up
    torch.testing.assert_close(up, x[0, :, 0:2, 5:7])


@pytest.mark.parametrize("reward", ["right", "probable"])
@pytest.mark.parametrize("num_glimpses", [1, 3])
def test_the_loss_and_every_gradient(num_glimpses, reward):
    """Against the loss as the paper writes it, over the same draws."""
    net, x = model(num_scales=2, num_glimpses=num_glimpses), seeded_randn(4, 2, 8, 7)
    oracle = GlimpseOracle(2, num_glimpses).double()
    oracle.load_state_dict(net.state_dict())
    torch.manual_seed(3)
    loss = hybrid_loss(net.rollout(x), TARGET, reward=reward)
    torch.manual_seed(3)
    scores, _, means, chosen, expected = oracle.look(x)
    p = torch.stack([row.softmax(0)[label] for row, label in zip(scores.detach(), TARGET)])
    R = (scores.argmax(1) == TARGET).double() if reward == "right" else p
    theirs = F.cross_entropy(scores, TARGET)
    for mean, place, b in zip(means, chosen, expected):
        log_pi = torch.distributions.Normal(mean, 0.2).log_prob(place).sum(1)
        constant = 2 * torch.distributions.Normal(0.0, 0.2).log_prob(torch.zeros(())).item()
        theirs = theirs + ((R - b) ** 2).mean() - ((R - b.detach()) * (log_pi - constant)).mean()
    torch.testing.assert_close(loss, theirs)
    loss.backward()
    theirs.backward()
    for (name, a), b in zip(net.named_parameters(), oracle.parameters()):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, msg=name)
    torch.testing.assert_close(
        hybrid_loss(net.eval().rollout(x), TARGET, "sum") / 4, hybrid_loss(net.rollout(x), TARGET)
    )


def test_who_learns_from_what():
    """The scores teach neither policy nor baseline; the policy the core, too; and the places have no gradient."""
    net, x = model(num_glimpses=3), seeded_randn(4, 2, 8, 7)
    episode = net.rollout(x)
    assert not episode.locations.requires_grad
    teachers = {
        "scores": (episode.scores.sum(), {"what", "where", "what_out", "where_out", "core", "head"}),
        "policy": (episode.log_probs.sum(), {"what", "where", "what_out", "where_out", "core", "location"}),
        "baseline": (episode.baselines.sum(), {"baseline"}),
    }
    for source, expected in teachers.values():
        net.zero_grad()
        source.backward(retain_graph=True)
        learned = {n.split(".")[0] for n, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert learned == expected


def test_places_stay_in_the_image_and_are_drawn_in_training_alone():
    """Another's had no tanh, and its places reached 57; nor did it draw any."""
    net, x = model(num_glimpses=4), seeded_randn(4, 2, 8, 7)
    with torch.no_grad():
        net.location.weight.mul_(100)
    first, second = net.rollout(x), net.rollout(x)
    assert first.locations.abs().max() <= 1
    assert (first.locations[:, 0] == 0).all()
    assert not torch.equal(first.locations, second.locations)
    same = [net.rollout(x, torch.Generator().manual_seed(1)).locations for _ in range(2)]
    assert torch.equal(*same)
    net.eval()
    assert torch.equal(net(x), net(x))


def test_reinforce_points_the_right_way():
    """Its mean is the gradient of E[R], here integrated over all places; a baseline leaves it, and calms it."""
    net = model(num_glimpses=2, std=0.4)
    x = seeded_randn(1, 2, 8, 7)
    with torch.no_grad():
        net.location.weight.zero_()
        net.location.bias.copy_(torch.tensor([0.2, -0.3]))
    mean = torch.tanh(net.location.bias.detach())

    line = torch.linspace(-2.4, 2.4, 161, dtype=torch.float64)  # six deviations to either side
    places = mean + torch.cartesian_prod(line, line)
    with torch.no_grad():
        h = net.core.step(net.glimpse(x, torch.zeros(1, 2).double()), (x.new_zeros(1, 5),))[0].expand(len(places), -1)
        h = net.core.step(net.glimpse(x.expand(len(places), -1, -1, -1), places.clamp(-1, 1)), (h,))[0]
        answers = net.head(h).argmax(1)
    target = answers.mode().values
    density = torch.exp(-((places - mean) / 0.4).square().sum(1) / 2)
    density /= density.sum()
    right = (answers == target).double()
    assert 0.1 < (right * density).sum() < 0.98
    slope = ((right * density)[:, None] * (places - mean) / 0.4**2).sum(0) * (1 - mean**2)

    count, estimates = 20_000, {}
    for b in (0.0, float((right * density).sum())):
        with torch.no_grad():
            net.baseline.weight.zero_()
            net.baseline.bias.fill_(b)
        episode = net.rollout(x.expand(count, -1, -1, -1), torch.Generator().manual_seed(5))
        advantage = (episode.scores.argmax(1) == target).double() - b
        each = advantage[:, None] * (episode.locations[:, 1] - mean) / 0.4**2 * (1 - mean**2)
        net.zero_grad()
        hybrid_loss(episode, target.expand(count)).backward()
        estimates[b] = -net.location.bias.grad, each.var(0)
    for estimate, variance in estimates.values():
        assert ((estimate - slope).abs() < 4 * (variance / count).sqrt() + 0.02).all()  # clamped places are counted so
    (_, loud), (_, calm) = estimates.values()
    assert (calm < loud).all()
    assert slope.abs().max() > 0.05


def test_episodes_of_one_image_are_each_others_baseline():
    """Image by image: what an episode did better than the others on its image is what its places are praised for."""
    net, x = model(num_glimpses=3), seeded_randn(4, 2, 8, 7)
    episode = net.rollout(x.repeat(3, 1, 1, 1), torch.Generator().manual_seed(2))
    alone = episode._replace(log_probs=torch.zeros_like(episode.log_probs))
    policy = hybrid_loss(episode, TARGET.repeat(3), "sum", reward="probable", episodes=3)
    policy = policy - hybrid_loss(alone, TARGET.repeat(3), "sum", reward="probable", episodes=3)
    p = episode.scores.softmax(1)
    theirs = 0.0
    for image, label in enumerate(TARGET):
        rows = [image, image + 4, image + 8]
        for row in rows:
            others = sum(p[other, label].item() for other in rows if other != row) / 2
            theirs -= (p[row, label].item() - others) * episode.log_probs[row].sum()
    torch.testing.assert_close(policy, theirs)
    with pytest.raises(ValueError, match="target must be 5 episodes of each image, got 12 in all"):
        hybrid_loss(episode, TARGET.repeat(3), episodes=5)


def test_it_begins_by_looking_around_the_middle():
    episode = RecurrentAttention(**SMALL).eval().rollout(torch.rand(2, 2, 8, 7))
    assert (episode.locations == 0).all()


def test_one_glimpse_is_trained_too():
    """With one step there is no place to choose, and another's optimizer refused the location's missing gradient."""
    net, x = model(num_glimpses=1), seeded_randn(4, 2, 8, 7)
    optimizer = Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = hybrid_loss(net.rollout(x), TARGET)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_what_the_loss_is_given():
    with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', got 'none'"):
        hybrid_loss(model().rollout(seeded_randn(4, 2, 8, 7)), TARGET, "none")
    with pytest.raises(ValueError, match="reward must be one of 'right', 'probable', got 'wrong'"):
        hybrid_loss(model().rollout(seeded_randn(4, 2, 8, 7)), TARGET, reward="wrong")
