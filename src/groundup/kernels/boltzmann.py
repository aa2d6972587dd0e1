"""Gibbs chains and contrastive divergence of a restricted Boltzmann machine, without checks and without autograd.

A training step of a small machine takes about 100 µs, so that the module's checks and the graph of autograd would take
most of the time. Here the gradient of `RestrictedBoltzmannMachine.contrastive_divergence` is written out and added to
the parameters in place.

Legend: V visible units v, H hidden units h; W (H, V), b (V,), c (H,); N samples, M chains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

ONE_THREAD_MAX_OPERATIONS = 2**23  # multiply-adds of a product: below, two threads are slower than one


def run_gibbs(
    v: Tensor, h: Tensor, W: Tensor, b: Tensor, c: Tensor, steps: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Return (v, P(h = 1 | v)) after `steps` Gibbs steps from v, where h = P(h = 1 | v)."""
    for _ in range(steps):
        v = draw(_visible_probs(draw(h, generator), W, b), generator)
        h = hidden_probs(v, W, c)
    return v, h


def hidden_probs(v: Tensor, W: Tensor, c: Tensor) -> Tensor:
    """Return P(h = 1 | v) for v (N, V)."""
    return torch.addmm(c, v, W.mT).sigmoid_()


def train(
    x: Tensor,
    W: Tensor,
    b: Tensor,
    c: Tensor,
    epochs: int,
    batch_size: int,
    lr: float,
    k: int,
    persistent: Tensor | None,
    generator: torch.Generator | None,
) -> None:
    """Change W, b and c by gradient descent on contrastive divergence, and `persistent` to the last states."""
    ones = x.new_ones(len(x)).split(batch_size)
    chains, all_ones = persistent, None if persistent is None else x.new_ones(len(persistent))
    with _one_thread_if_small(batch_size * W.numel()):
        for _ in range(epochs):
            order = torch.randperm(len(x), generator=generator, device=x.device)
            for v, one in zip(x[order].split(batch_size), ones):
                if chains is None:
                    h = hidden_probs(v, W, c)
                    vk, hk = run_gibbs(v, h, W, b, c, k, generator)
                else:  # data and chains in one product
                    h, start = hidden_probs(torch.cat([v, chains]), W, c).split([len(v), len(chains)])
                    vk, hk = run_gibbs(chains, start, W, b, c, k, generator)
                    chains = vk
                _add_statistics(v, h, one, W, b, c, lr)
                _add_statistics(vk, hk, one if all_ones is None else all_ones, W, b, c, -lr)
    if persistent is not None and chains is not None:
        persistent.copy_(chains)


def draw(p: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return 1 with probability p, else 0."""
    return torch.empty_like(p).uniform_(generator=generator).lt_(p)


def _visible_probs(h: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return torch.addmm(b, h, W).sigmoid_()


def _add_statistics(v: Tensor, h: Tensor, one: Tensor, W: Tensor, b: Tensor, c: Tensor, rate: float) -> None:
    """W += rate ⟨h vᵀ⟩, b += rate ⟨v⟩, c += rate ⟨h⟩, where ⟨⟩ is the mean over rows; `one` holds a 1 per row."""
    rate, vT, hT = rate / len(v), v.mT, h.mT
    W.addmm_(hT, v, alpha=rate)
    b.addmv_(vT, one, alpha=rate)
    c.addmv_(hT, one, alpha=rate)


@contextmanager
def _one_thread_if_small(operations: int) -> Iterator[None]:
    threads = torch.get_num_threads()
    if operations < ONE_THREAD_MAX_OPERATIONS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
