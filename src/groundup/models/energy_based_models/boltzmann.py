"""The restricted Boltzmann machine: a distribution over binary vectors, explained by binary hidden units.

Smolensky 1986, Information Processing in Dynamical Systems: Foundations of Harmony Theory.

    E(v, h) = -v·b - h·c - h W vᵀ            P(v, h) = exp(-E(v, h)) / Z
    P(h_j = 1 | v) = σ(c_j + W_j · v)        F(v) = -log Σ_h exp(-E(v, h)) = -v·b - Σ_j softplus(c_j + W_j · v)
    P(v_i = 1 | h) = σ(b_i + W_·i · h)       P(v) = exp(-F(v)) / Z

Why restricted: there are no weights within a layer, so that the units of one layer are independent given the other
layer, and a whole layer is sampled in one matrix product. With weights within a layer, units would have to be sampled
one after another.

Why contrastive divergence: the gradient of log Z is a mean over all 2^(V + H) states. It is estimated by a few Gibbs
steps, which lower the energy of the data and raise it where the model itself goes.

Legend: V visible units v, H hidden units h, all 0 or 1; W (H, V), b (V,), c (H,); N samples, M chains.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init, linear, logsigmoid, logsumexp, sigmoid, softplus
from groundup.kernels import boltzmann as kernels

MAX_ENUMERATED_UNITS = 20  # about a million states


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
    """Visible states (..., V) → their free energies F(v).

    Train it with `fit`, or with any optimizer on `contrastive_divergence`. W is initialised with N(0, 0.01²), both
    biases with 0: Hinton 2010, A Practical Guide to Training Restricted Boltzmann Machines, section 8.

    Visible states may be probabilities in [0, 1]; other values raise `ValueError`. A `generator` must be on the device
    of the module; without one, random numbers come from PyTorch's global generator.

    Args:
        num_visible: V, the number of visible units.
        num_hidden: H, the number of hidden units.
        device, dtype: of the parameters.

    Example:
        >>> x = torch.eye(6).repeat(20, 1)
        >>> rbm = RestrictedBoltzmannMachine(6, 4).fit(x, epochs=2)
        >>> rbm(x).shape, rbm.sample(3, steps=10).shape
        (torch.Size([120]), torch.Size([3, 6]))
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
        """Return P(h_j = 1 | v) = σ(c_j + W_j · v), the features of v."""
        self._check("v", v, "visible")
        return sigmoid(linear(v, self.weight, self.hidden_bias))

    def visible_probs(self, h: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch V"]:
        """Return P(v_i = 1 | h) = σ(b_i + W_·i · h)."""
        self._check("h", h, "hidden")
        return sigmoid(linear(h, self.weight.mT, self.visible_bias))

    def log_partition(self) -> Float[Tensor, ""]:
        """Return log Z, a sum over all states of the smaller layer. Raises `ValueError` for more than 20 units."""
        units = min(self.num_visible, self.num_hidden)
        if units > MAX_ENUMERATED_UNITS:
            raise ValueError(
                f"log Z sums over 2^{units} states of the smaller layer, and at most {MAX_ENUMERATED_UNITS} units are "
                "enumerated; compare models by pseudo_likelihood instead"
            )
        terms = []
        place = torch.arange(units, device=self.weight.device)
        for block in torch.arange(2**units, device=self.weight.device).split(2**14):
            states = ((block[:, None] >> place) & 1).to(self.weight.dtype)  # block, units
            if self.num_visible <= self.num_hidden:
                terms.append(-self.free_energy(states))
            else:  # the same, with the layers exchanged
                given = softplus(linear(states, self.weight.mT, self.visible_bias)).sum(-1)
                terms.append((states * self.hidden_bias).sum(-1) + given)
        return logsumexp(torch.cat(terms), 0)

    def log_likelihood(self, v: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
        """Return log P(v) = -F(v) - log Z. Raises `ValueError` for more than 20 units in the smaller layer."""
        return -self.free_energy(v) - self.log_partition()

    def pseudo_likelihood(
        self, v: Float[Tensor, "*batch V"], exact: bool = True, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        """Return Σ_i log P(v_i | all other v): Besag 1975, Statistical Analysis of Non-Lattice Data.

        P(v_i | others) = σ(F(v with unit i flipped) - F(v)) does not contain Z, so that large models can be compared.

        Args:
            v: strictly binary.
            exact: False estimates the sum by V times one term, of a random unit per sample: unbiased, V times faster.
            generator: for `exact=False`.
        """
        self._check("v", v, "visible")
        if checks.can_read_values(v) and not ((v == 0) | (v == 1)).all():
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

    # ---- samples and reconstructions ---------------------------------------------------------------------------

    @torch.no_grad()
    def gibbs(
        self, v: Float[Tensor, "*batch V"], steps: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch V"]:
        """Return the states of chains that start at v, after `steps` steps h ~ P(h | v), v ~ P(v | h)."""
        self._check("v", v, "visible")
        checks.integer("steps", steps, minimum=0)
        W, b, c = self.weight, self.visible_bias, self.hidden_bias
        rows = v.reshape(-1, self.num_visible)
        return kernels.run_gibbs(rows, kernels.hidden_probs(rows, W, c), W, b, c, steps, generator)[0].view(v.shape)

    def sample(
        self, count: int, steps: int = 1000, generator: torch.Generator | None = None
    ) -> Float[Tensor, "count V"]:
        """Return samples of P(v), approximately: `count` chains from uniformly random states, after `steps` steps."""
        checks.integer("count", count, minimum=0)
        coins = self.visible_bias.new_full((count, self.num_visible), 0.5)
        return self.gibbs(kernels.draw(coins, generator), steps, generator)

    def reconstruct(
        self, v: Float[Tensor, "*batch V"], known: Bool[Tensor, "*batch V"] | None = None, steps: int = 1
    ) -> Float[Tensor, "*batch V"]:
        """Return v after `steps` mean-field iterations v ← P(v | h = P(h | v)); nothing is drawn.

        Args:
            v: the start.
            known: True for units that keep their value.
            steps: the number of iterations.
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
        """Return mean F(v) - mean F(v_k), a loss whose gradient is meaningful and whose value is not:

            ∂/∂W = -⟨P(h | v) vᵀ⟩_data + ⟨P(h | v) vᵀ⟩_chains

        This is the gradient of -log P(v) once the chains are independent of their start.

        Args:
            v: the data.
            k: Gibbs steps. CD-k takes them from the data (Hinton 2002, Training Products of Experts by Minimizing
                Contrastive Divergence).
            persistent: PCD-k takes them from these chains, which are changed in place and passed again to the next
                call (Tieleman 2008, Training Restricted Boltzmann Machines using Approximations to the Likelihood
                Gradient). The chains mix over many steps, which k steps from the data do not.
            generator: draws the states.
        """
        self._check_batch("v", v)
        checks.integer("k", k)
        if persistent is not None:
            self._check_batch("persistent", persistent)
        states = self.gibbs(v if persistent is None else persistent, k, generator)
        if persistent is not None:
            persistent.copy_(states)
        return self.free_energy(v).mean() - self.free_energy(states).mean()

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
        """Train by gradient descent on `contrastive_divergence`, with the gradient written out in `groundup.kernels`.

        Args:
            x: the data.
            epochs: passes over the data; a second call continues from the current parameters.
            batch_size: samples per step.
            lr: the learning rate.
            k, persistent: as for `contrastive_divergence`.
            generator: draws the order of the samples and the states.
        """
        self._check_batch("x", x)
        checks.integer("epochs", epochs, minimum=0)
        checks.integer("batch_size", batch_size)
        checks.real("lr", lr, minimum=0.0)
        checks.integer("k", k)
        if persistent is not None:
            self._check_batch("persistent", persistent)
        W, b, c = (parameter.detach() for parameter in (self.weight, self.visible_bias, self.hidden_bias))
        kernels.train(x, W, b, c, epochs, batch_size, lr, k, persistent, generator)
        return self

    def _check(self, name: str, value: Tensor, layer: str) -> None:
        units = self.num_visible if layer == "visible" else self.num_hidden
        checks.floating(name, value)
        checks.require(value.dim() > 0, f"{name} must have shape (..., {units}), got a scalar")
        checks.size(name, value, -1, units, f"{layer} units")
        if value.numel() > 0 and checks.can_read_values(value):
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
