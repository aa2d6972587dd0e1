"""The recurrent attention model: it looks at a small part of an image at a time, and learns where to look next.

Mnih, Heess, Graves and Kavukcuoglu 2014, Recurrent Models of Visual Attention, arXiv:1406.6247.

    l_{t-1} ─┬─ sensor ρ(x, l_{t-1}) ─┬─ g_t ─ core h_t ─┬─ l_t ~ N(tanh(W h_t), σ²)     where to look
             └────────────────────────┘                  ├─ b_t = w·h_t                  what reward to expect
                                                         └─ a = scores(h_T)              at the end, the class

Shapes: N batch, C channels, T num_glimpses, S num_scales, G glimpse_size. Places are (x, y) in [-1, 1]².
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample, init, relu, softmax, tanh
from groundup.layers import Linear, RNN_cell
from groundup.models.presets import Presets
from groundup.weights import Pretrained


class Episode(NamedTuple):
    """The result of T glimpses, of which the first, at `locations[:, 0]`, was not chosen by the policy."""

    scores: Float[Tensor, "N classes"]
    locations: Float[Tensor, "N T 2"]
    log_probs: Float[Tensor, "N moves"]  # log π of the T - 1 chosen places
    baselines: Float[Tensor, "N moves"]  # the reward that was expected before each of them


@component(
    95,
    "looks at an image in glimpses and learns where to look",
    paper="Mnih et al. 2014, Recurrent Models of Visual Attention, arXiv:1406.6247",
    oracle="a loop over pixels and steps, same draws; REINFORCE's mean",
    example="RecurrentAttention()(torch.randn(1, 1, 28, 28))",
)
class RecurrentAttention(Pretrained, Presets, nn.Module):
    """x (N, in_channels, H, W), any size -> scores (N, num_classes).

    Why glimpses: the cost depends on their number, not on the size of the image. Why REINFORCE: a glimpse is drawn at a
    random place, through which no gradient flows; so the policy is rewarded for places that led to the right class.

    The core learns from the scores and, through the location network, from the reward, as in equation 2: h_t must hold
    where the digit is, which the scores alone do not ask for. The baseline reads h_t and gives it no gradient. The
    location network's weights are 0 at first: the untrained network looks around the middle.
    Differs from the paper: the first glimpse is at the middle of the image, and places are not rounded to pixels.

    Args:
        num_classes: the number of scores.
        in_channels: C.
        glimpse_size, num_scales: a glimpse holds S squares around a place, of G, 2 G, 4 G … pixels, shrunk to G × G.
        num_glimpses: T.
        std: σ of the places drawn in training; in eval mode the model looks at their means.
        glimpse_features: of the glimpse, and of its place, before they are added.
        hidden_size: of g_t and h_t.
        device, dtype: of the parameters.

    Example:
        >>> model = RecurrentAttention().eval()
        >>> episode = model.rollout(torch.randn(2, 1, 28, 28))
        >>> episode.scores.shape, episode.locations.shape
        (torch.Size([2, 10]), torch.Size([2, 6, 2]))
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mnist": {},
        "translated": {"glimpse_size": 12, "num_scales": 3, "num_glimpses": 6},
    }
    input_sizes: ClassVar[Mapping[str, tuple[int, ...]]] = {"translated": (1, 60, 60)}

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        glimpse_size: int = 8,
        num_scales: int = 1,
        num_glimpses: int = 6,
        std: float = 0.2,
        glimpse_features: int = 128,
        hidden_size: int = 256,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = checks.integer("num_classes", num_classes)
        self.in_channels = checks.integer("in_channels", in_channels)
        self.glimpse_size = checks.integer("glimpse_size", glimpse_size)
        self.num_scales = checks.integer("num_scales", num_scales)
        self.num_glimpses = checks.integer("num_glimpses", num_glimpses)
        self.std = checks.real("std", std, 0.0)
        checks.require(std > 0, f"std must be positive, got {std}: without random places the policy cannot learn")
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        pixels = num_scales * in_channels * glimpse_size**2
        self.what = Linear(pixels, glimpse_features, **factory)
        self.where = Linear(2, glimpse_features, **factory)
        self.what_out = Linear(glimpse_features, hidden_size, **factory)
        self.where_out = Linear(glimpse_features, hidden_size, **factory)
        self.core = RNN_cell(hidden_size, hidden_size, nonlinearity="relu", **factory)
        self.location = Linear(hidden_size, 2, **factory)
        self.baseline = Linear(hidden_size, 1, **factory)
        self.head = Linear(hidden_size, num_classes, **factory)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw matrices before a rectifier with variance 2 / fan_in, the core's recurrent matrix orthogonal."""
        for layer in (self.what, self.where, self.what_out, self.where_out):
            init.kaiming_normal_(layer.weight, nonlinearity="relu")
        init.kaiming_normal_(self.core.weight_ih, nonlinearity="relu")
        init.orthogonal_(self.core.weight_hh)
        for parameter in self.location.parameters():
            init.constant_(parameter, 0.0)

    def sensor(self, x: Float[Tensor, "N C H W"], place: Float[Tensor, "N 2"]) -> Float[Tensor, "N S C G G"]:
        """Compute ρ(x, l): squares of G, 2 G, 4 G … pixels around l, each averaged to G × G. Section 3.

        Pixels outside the image are 0; -1 and 1 are the edges of the image.
        """
        squares = []
        for scale in range(self.num_scales):
            step = 2**scale
            side = step * self.glimpse_size
            share = place.new_tensor([[side / x.size(3), 0], [0, side / x.size(2)]]).expand(len(place), 2, 2)
            grid = affine_grid(torch.cat([share, place[:, :, None]], 2), (side, side), align_corners=False)
            squares.append(avg_pool2d(grid_sample(x, grid, align_corners=False), step))
        return torch.stack(squares, 1)

    def glimpse(self, x: Float[Tensor, "N C H W"], place: Float[Tensor, "N 2"]) -> Float[Tensor, "N hidden"]:
        """Compute g_t = relu(W_1 relu(W_2 ρ(x, l)) + W_3 relu(W_4 l)), what is seen and where. Section 3, figure 1B."""
        what = relu(self.what(self.sensor(x, place).flatten(1)))
        return relu(self.what_out(what) + self.where_out(relu(self.where(place))))

    def rollout(self, x: Float[Tensor, "N C H W"], generator: torch.Generator | None = None) -> Episode:
        """Look T times: in training at random places, drawn from `generator` if given; in eval mode at their means."""
        checks.rank("x", checks.floating("x", x), 4, layout="(N, C, H, W)")
        checks.size("x", x, 1, self.in_channels, "channels (in_channels)")
        place, h = x.new_zeros(len(x), 2), x.new_zeros(len(x), self.core.hidden_size)
        h = self.core.step(self.glimpse(x, place), (h,))[0]
        places, log_probs, baselines = [place], [x.new_zeros(len(x), 0)], [x.new_zeros(len(x), 0)]
        for _ in range(self.num_glimpses - 1):
            mean = tanh(self.location(h))
            noise = torch.empty_like(mean).normal_(generator=generator) if self.training else torch.zeros_like(mean)
            chosen = (mean + self.std * noise).detach()  # the place that was drawn is data: it has no gradient
            log_probs.append(-((chosen - mean) / self.std).square().sum(1, keepdim=True) / 2)  # up to a constant
            baselines.append(self.baseline(h.detach()))
            place = chosen.clamp(-1, 1)
            places.append(place)
            h = self.core.step(self.glimpse(x, place), (h,))[0]
        return Episode(self.head(h), torch.stack(places, 1), torch.cat(log_probs, 1), torch.cat(baselines, 1))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N classes"]:
        """Compute the scores after T glimpses; `rollout` also returns the places."""
        return self.rollout(x).scores


def hybrid_loss(
    episode: Episode,
    target: Int[Tensor, " N"],
    reduction: str = "mean",
    weight: float = 1.0,
    reward: str = "right",
    episodes: int = 1,
) -> Float[Tensor, ""]:
    """Return -log p(target) + Σ_t (R - b_t)² - weight Σ_t (R - B_t) log π(l_t). Section 3.1 and equation 2.

    The gradient of the last term is REINFORCE's, -Σ_t (R - B_t) ∇ log π(l_t), where R - B_t is a constant. Its mean is
    -∇ E[R] for any B_t that does not depend on l_t. Why B_t: it lowers the variance, which is what makes REINFORCE
    slow. Williams 1992, section 4.

    Args:
        episode: from `RecurrentAttention.rollout`.
        target: the classes (N,).
        reduction: "mean" over the batch, or "sum".
        weight: of the last term.
        reward: R. "right", the paper's: 1 if the most probable class is the target, else 0. "probable": p(target), the
            mean of that reward over classes drawn from the scores. It varies less, and rises before answers are right.
        episodes: M: the batch holds the same images M times, one after the other. B_t is then the mean of R over the
            other M - 1 episodes of the image, which measures how hard the image is (Kool, van Hoof and Welling 2019,
            Buy 4 REINFORCE Samples, Get a Baseline for Free!). With M = 1 it is b_t, the baseline's prediction.

    Example:
        >>> model, x, target = RecurrentAttention(), torch.randn(4, 1, 28, 28), torch.tensor([0, 1, 2, 3])
        >>> hybrid_loss(model.rollout(x), target).shape
        torch.Size([])
    """
    checks.choice("reduction", reduction, ("mean", "sum"))
    checks.choice("reward", reward, ("right", "probable"))
    checks.integer("episodes", episodes)
    checks.require(
        len(target) % episodes == 0, f"target must be {episodes} episodes of each image, got {len(target)} in all"
    )
    scores = episode.scores.detach()
    if reward == "right":
        R = (scores.argmax(1) == target).to(scores.dtype)[:, None]
    else:
        R = softmax(scores, 1).gather(1, target[:, None])
    surprise = R - episode.baselines
    advantage = surprise.detach()
    if episodes > 1:
        of_image = R.view(episodes, -1)
        others = (of_image.sum(0) - of_image) / (episodes - 1)
        advantage = (of_image - others).view(-1, 1)
    policy = -weight * (advantage * episode.log_probs).sum()
    total = cross_entropy(episode.scores, target, reduction="sum") + surprise.square().sum() + policy
    return total if reduction == "sum" else total / len(target)
