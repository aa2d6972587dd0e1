"""The restricted Boltzmann machine. Smolensky 1986, Information Processing in Dynamical Systems: Foundations of
Harmony Theory.

    E(v, h) = -v·b - h·c - h W vᵀ            P(v, h) = exp(-E(v, h)) / Z
    P(h_j = 1 | v) = σ(c_j + W_j · v)        F(v) = -log Σ_h exp(-E(v, h)) = -v·b - Σ_j softplus(c_j + W_j · v)
    P(v_i = 1 | h) = σ(b_i + W_·i · h)       P(v) = exp(-F(v)) / Z

Legend: V visible units v, H hidden units h, all 0 or 1; W (H, V), b (V,), c (H,); N samples, M chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, linear, logsigmoid, logsumexp, sigmoid, softplus

MAX_ENUMERATED = 20  # units: about a million states
ONE_THREAD = 2**23  # multiply-adds: below, two cores are slower than one


@component(
    67,
    "generative model of binary data with hidden units",
    paper=(
        "Smolensky 1986, Information Processing in Dynamical Systems: Foundations of Harmony Theory, "
        "https://stanford.edu/~jlmcc/papers/PDP/Volume%201/Chap6_PDP86.pdf"
    ),
    oracle="all states, enumerated; scikit-learn's BernoulliRBM",
    example="RestrictedBoltzmannMachine(784, 128)(torch.rand(1, 784))",
)
class RestrictedBoltzmannMachine(nn.Module):
    """Binary data explained by binary causes; called with visible states, it gives their free energy F(v).

        rbm = RestrictedBoltzmannMachine(64, 100).fit(x)                # for those who just want to use it

        loss = rbm.contrastive_divergence(x)                            # or with any optimizer
        loss.backward()

    W begins as N(0, 0.01²), both biases at 0: Hinton 2010, A Practical Guide to Training Restricted Boltzmann Machines,
    section 8. Visible data may be any probabilities in [0, 1]; anything else is a `ValueError`.
    A generator, where one is taken, must be of the module's device; without one, PyTorch's global one is drawn from.
    """

    def __init__(
        self,
        num_visible: int,
        num_hidden: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_visible = checks.integer("num_visible", num_visible)
        self.num_hidden = checks.integer("num_hidden", num_hidden)
        self.weight = nn.Parameter(torch.empty(num_hidden, num_visible, device=device, dtype=dtype))
        self.visible_bias = nn.Parameter(torch.empty(num_visible, device=device, dtype=dtype))
        self.hidden_bias = nn.Parameter(torch.empty(num_hidden, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.normal_(self.weight, 0.0, 0.01)
        init.constant_(self.visible_bias, 0.0)
        init.constant_(self.hidden_bias, 0.0)

    # ---- the distribution ----------------------------------------------------------------------------------------

    def forward(self, v: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
        return self.free_energy(v)

    def energy(self, v: Float[Tensor, "*batch V"], h: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch"]:
        """E(v, h) = -v·b - h·c - h W vᵀ."""
        self._check("v", v, "visible")
        self._check("h", h, "hidden")
        if v.shape[:-1] != h.shape[:-1]:
            raise ValueError(f"h must have v's batch {tuple(v.shape[:-1])}, got {tuple(h.shape[:-1])}")
        return -(v * self.visible_bias).sum(-1) - (h * linear(v, self.weight, self.hidden_bias)).sum(-1)

    def free_energy(self, v: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
        """F(v) = -v·b - Σ_j softplus(c_j + W_j · v), so that P(v) = exp(-F(v)) / Z."""
        self._check("v", v, "visible")
        return -(v * self.visible_bias).sum(-1) - softplus(linear(v, self.weight, self.hidden_bias)).sum(-1)

    def hidden_probs(self, v: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch H"]:
        """P(h_j = 1 | v) = σ(c_j + W_j · v): the features of v."""
        self._check("v", v, "visible")
        return sigmoid(linear(v, self.weight, self.hidden_bias))

    def visible_probs(self, h: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch V"]:
        """P(v_i = 1 | h) = σ(b_i + W_·i · h)."""
        self._check("h", h, "hidden")
        return sigmoid(linear(h, self.weight.mT, self.visible_bias))

    def log_partition(self) -> Float[Tensor, ""]:
        """log Z, by going through all states of the smaller layer. Raises `ValueError` beyond 20 units."""
        units = min(self.num_visible, self.num_hidden)
        if units > MAX_ENUMERATED:
            raise ValueError(
                f"log Z sums over 2^{units} states of the smaller layer, and at most {MAX_ENUMERATED} units are "
                "enumerated; compare models by pseudo_likelihood instead"
            )
        terms = []
        place = torch.arange(units, device=self.weight.device)
        for block in torch.arange(2**units, device=self.weight.device).split(2**14):
            states = ((block[:, None] >> place) & 1).to(self.weight.dtype)  # block, units
            if self.num_visible <= self.num_hidden:
                terms.append(-self.free_energy(states))
            else:  # the same with the layers' parts exchanged
                given = softplus(linear(states, self.weight.mT, self.visible_bias)).sum(-1)
                terms.append((states * self.hidden_bias).sum(-1) + given)
        return logsumexp(torch.cat(terms), 0)

    def log_likelihood(self, v: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
        """log P(v) = -F(v) - log Z, for a small model."""
        return -self.free_energy(v) - self.log_partition()

    def pseudo_likelihood(
        self, v: Float[Tensor, "*batch V"], exact: bool = True, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        """Σ_i log P(v_i | all other v), v strictly binary: Besag 1975, Statistical Analysis of Non-Lattice Data.

        P(v_i | others) = σ(F(v with unit i turned over) - F(v)), without Z. `exact=False` estimates the sum by V times
        one term, of a unit drawn for each sample: unbiased, and V times faster.
        """
        self._check("v", v, "visible")
        if checks.readable(v) and not ((v == 0) | (v == 1)).all():
            raise ValueError("v must hold only 0 and 1 for a pseudo-likelihood; binarise it, as with (v > 0.5).float()")
        if not exact:
            drawn = torch.randint(self.num_visible, (*v.shape[:-1], 1), generator=generator, device=v.device)
            turned = torch.where(torch.arange(self.num_visible, device=v.device) == drawn, 1 - v, v)
            return self.num_visible * logsigmoid(self.free_energy(turned) - self.free_energy(v))
        turn = 1 - 2 * v
        a = linear(v, self.weight, self.hidden_bias)
        stay, total = softplus(a).sum(-1), torch.zeros_like(v[..., 0])
        for i in range(self.num_visible):  # one unit at a time: all at once would hold N × V × H numbers
            turned = softplus(a + turn[..., i, None] * self.weight[:, i]).sum(-1)
            total = total + logsigmoid(stay - turned - turn[..., i] * self.visible_bias[i])
        return total

    # ---- what it makes of v --------------------------------------------------------------------------------------

    @torch.no_grad()
    def gibbs(
        self, v: Float[Tensor, "*batch V"], steps: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch V"]:
        """Chains that begin at v, after so many steps h ~ P(h | v), v ~ P(v | h)."""
        self._check("v", v, "visible")
        checks.integer("steps", steps, minimum=0)
        W, b, c = self.weight, self.visible_bias, self.hidden_bias
        rows = v.reshape(-1, self.num_visible)
        return _chain(rows, _up(rows, W, c), W, b, c, steps, generator)[0].view(v.shape)

    def sample(
        self, count: int, steps: int = 1000, generator: torch.Generator | None = None
    ) -> Float[Tensor, "count V"]:
        """`count` chains that begin with the toss of a coin for each unit, after so many steps; near P(v) if many."""
        checks.integer("count", count, minimum=0)
        coins = self.visible_bias.new_full((count, self.num_visible), 0.5)
        return self.gibbs(_draw(coins, generator), steps, generator)

    def reconstruct(
        self, v: Float[Tensor, "*batch V"], known: Bool[Tensor, "*batch V"] | None = None, steps: int = 1
    ) -> Float[Tensor, "*batch V"]:
        """v ← P(v | h = P(h | v)), so many times; where `known`, v stays as it is given.

        A mean-field iteration: nothing is drawn, and the result holds probabilities.
        """
        self._check("v", v, "visible")
        checks.integer("steps", steps)
        if known is not None and known.dtype != torch.bool:
            raise TypeError(f"known must be boolean (True = as given), got {known.dtype}")
        if known is not None and known.shape != v.shape:
            raise ValueError(f"known must have v's shape {tuple(v.shape)}, got {tuple(known.shape)}; use expand_as(v)")
        x = v
        for _ in range(steps):
            x = sigmoid(linear(sigmoid(linear(x, self.weight, self.hidden_bias)), self.weight.mT, self.visible_bias))
            x = x if known is None else torch.where(known, v, x)
        return x

    # ---- learning ------------------------------------------------------------------------------------------------

    def contrastive_divergence(
        self,
        v: Float[Tensor, "N V"],
        k: int = 1,
        persistent: Float[Tensor, "M V"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """mean F(v) - mean F(v_k): to be minimised. Only its gradient means something, not its value:

            ∂/∂W = -⟨P(h | v) vᵀ⟩_data + ⟨P(h | v) vᵀ⟩_chains

        which is that of -log P(v) once the chains have forgotten their beginning. CD-k: v_k are k Gibbs steps from the
        data (Hinton 2002, Training Products of Experts by Minimizing Contrastive Divergence). PCD-k: from `persistent`,
        chains that the caller keeps from call to call and that are moved on in place (Tieleman 2008, Training
        Restricted Boltzmann Machines using Approximations to the Likelihood Gradient).
        """
        self._check_batch("v", v)
        checks.integer("k", k)
        if persistent is not None:
            self._check_batch("persistent", persistent)
        fallen = self.gibbs(v if persistent is None else persistent, k, generator)
        if persistent is not None:
            persistent.copy_(fallen)
        return self.free_energy(v).mean() - self.free_energy(fallen).mean()

    @torch.no_grad()
    def fit(
        self,
        x: Float[Tensor, "N V"],
        epochs: int = 10,
        batch_size: int = 10,
        lr: float = 0.1,
        k: int = 1,
        persistent: Float[Tensor, "M V"] | None = None,
        generator: torch.Generator | None = None,
    ) -> RestrictedBoltzmannMachine:
        """Go on learning x by steps of plain gradient descent on `contrastive_divergence`, without autograd."""
        self._check_batch("x", x)
        checks.integer("epochs", epochs, minimum=0)
        checks.integer("batch_size", batch_size)
        checks.real("lr", lr, minimum=0.0)
        checks.integer("k", k)
        if persistent is not None:
            self._check_batch("persistent", persistent)
        W, b, c = (part.detach() for part in (self.weight, self.visible_bias, self.hidden_bias))  # as plain tensors
        ones = x.new_ones(len(x)).split(batch_size)
        chains, all_on = persistent, None if persistent is None else x.new_ones(len(persistent))
        with _threads_for(batch_size * W.numel()):
            for _ in range(epochs):
                order = torch.randperm(len(x), generator=generator, device=x.device)
                for v, one in zip(x[order].split(batch_size), ones):
                    if chains is None:
                        h = _up(v, W, c)
                        vk, hk = _chain(v, h, W, b, c, k, generator)
                    else:  # data and chains in one product
                        h, start = _up(torch.cat([v, chains]), W, c).split([len(v), len(chains)])
                        vk, hk = _chain(chains, start, W, b, c, k, generator)
                        chains = vk
                    _learn(v, h, one, W, b, c, lr)
                    _learn(vk, hk, one if all_on is None else all_on, W, b, c, -lr)
        if persistent is not None and chains is not None:
            persistent.copy_(chains)
        return self

    def _check(self, name: str, value: Tensor, layer: str) -> None:
        units = self.num_visible if layer == "visible" else self.num_hidden
        checks.floating(name, value)
        checks.require(value.dim() > 0, f"{name} must have shape (..., {units}), got a scalar")
        checks.size(name, value, -1, units, f"{layer} units")
        if value.numel() > 0 and checks.readable(value):
            low, high = (bound.item() for bound in value.detach().aminmax())
            if not (low >= 0 and high <= 1):
                raise ValueError(
                    f"{name} must hold 0 and 1, or probabilities between, got values in [{low:.4g}, {high:.4g}]; "
                    "binarise real data, as with (x > threshold).float()"
                )

    def _check_batch(self, name: str, value: Tensor) -> None:
        checks.rank(name, checks.tensor(name, value), 2, layout=f"(N, {self.num_visible})")
        self._check(name, value, "visible")
        checks.require(len(value) > 0, f"{name} must hold at least one row, got none")

    def extra_repr(self) -> str:
        return f"num_visible={self.num_visible}, num_hidden={self.num_hidden}"


@contextmanager
def _threads_for(work: int) -> Iterator[None]:
    """One thread for products of few multiply-adds: to share them out takes longer than to do them."""
    threads = torch.get_num_threads()
    if work < ONE_THREAD:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _draw(p: Tensor, generator: torch.Generator | None) -> Tensor:
    """1 with probability p, else 0."""
    return torch.empty_like(p).uniform_(generator=generator).lt_(p)


def _up(v: Tensor, W: Tensor, c: Tensor) -> Tensor:
    """P(h = 1 | v), v (N, V): what `hidden_probs` gives, without its checks, thousands of times a second."""
    return torch.addmm(c, v, W.mT).sigmoid_()


def _down(h: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """P(v = 1 | h), h (N, H)."""
    return torch.addmm(b, h, W).sigmoid_()


def _chain(
    v: Tensor, h: Tensor, W: Tensor, b: Tensor, c: Tensor, steps: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """(v, P(h = 1 | v)) after so many Gibbs steps from (v, h = P(h = 1 | v))."""
    for _ in range(steps):
        v = _draw(_down(_draw(h, generator), W, b), generator)
        h = _up(v, W, c)
    return v, h


def _learn(v: Tensor, h: Tensor, one: Tensor, W: Tensor, b: Tensor, c: Tensor, rate: float) -> None:
    """W += rate ⟨h vᵀ⟩, b += rate ⟨v⟩, c += rate ⟨h⟩, ⟨⟩ the mean over rows; in place. `one` is a 1 for each row."""
    rate, vT, hT = rate / len(v), v.mT, h.mT
    W.addmm_(hT, v, alpha=rate)
    b.addmv_(vT, one, alpha=rate)
    c.addmv_(hT, one, alpha=rate)
