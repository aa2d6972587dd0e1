"""Sampling: generate one token after the other, the likeliest or a random one.

Legend: B rows, V vocabulary, P tokens of the prompt, T tokens decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup import checks
from groundup.functional.softmax import log_softmax, softmax
from groundup.generation.logits import penalize_repetition, top_k_filter, top_p_filter
from groundup.generation.state import Sequences, Step, check_logits, check_start


def greedy(
    step: Step,
    start: Int[Tensor, " B"],
    state: Any = None,
    *,
    max_len: int,
    stop: int | Sequence[int] = (),
    on_token: Callable[[Tensor], object] | None = None,
) -> Sequences:
    """Take the likeliest token in each step: `sample` at temperature 0."""
    return sample(step, start, state, max_len=max_len, stop=stop, temperature=0.0, on_token=on_token)


@torch.no_grad()
def sample(
    step: Step,
    start: Int[Tensor, " B"],
    state: Any = None,
    *,
    max_len: int,
    stop: int | Sequence[int] = (),
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    seen: Int[Tensor, "B P"] | None = None,
    generator: torch.Generator | None = None,
    on_token: Callable[[Tensor], object] | None = None,
) -> Sequences:
    """Draw y_t ~ softmax(logits / temperature), restricted by `top_k` and `top_p`, until a stop token or `max_len`.

    Why a temperature: below 1 it favours likely tokens, and the text becomes safer and more repetitive; above 1 it
    favours unlikely ones.

    Args:
        step: see `Step`.
        start: the token before the first one, for each row.
        state: the state before `start`; the call may change it.
        max_len: maximum number of tokens.
        stop: a token that ends its row, or several. A row that has ended repeats it.
        temperature: 0 takes the likeliest token.
        top_k: see `top_k_filter`.
        top_p: see `top_p_filter`; applied after `top_k`.
        repetition_penalty: θ of `penalize_repetition`, for tokens of the row and of `seen`.
        seen: tokens of the prompt.
        generator: source of the random numbers; by default PyTorch's.
        on_token: called with the tokens (B,) of each step as soon as they are known.

    Decoding ends when all rows have ended. No gradient is kept, and the model's mode is not changed.

    Example:
        >>> step = lambda tokens, state: (torch.tensor([[0.0, 2.0, 1.0]]), state)
        >>> sample(step, torch.tensor([0]), max_len=3, temperature=0.0).tokens.tolist()
        [[1, 1, 1]]
    """
    tokens, max_len, stops = check_start(start, max_len, stop)
    check_sampling(temperature, top_k, top_p, repetition_penalty)
    if seen is not None:
        if checks.tensor("seen", seen).dtype not in (torch.int64, torch.int32):
            raise TypeError(f"seen must be int64 or int32, got {seen.dtype}; a token is a place in a vocabulary")
        checks.size("seen", checks.rank("seen", seen, 2, layout="(B, P)"), 0, len(tokens), "rows, as start has")
    history = [] if seen is None else [seen.long()]
    ended = torch.zeros_like(tokens, dtype=torch.bool)
    lengths = torch.zeros_like(tokens)
    total: Tensor | float = 0.0
    columns: list[Tensor] = []
    for _ in range(max_len):
        logits, state = step(tokens, state)
        logits = check_logits(logits, len(start), stops)
        log_p = log_softmax(logits, -1)
        if repetition_penalty > 1 and (history or columns):
            before = torch.cat([*history, *(column[:, None] for column in columns)], 1)
            logits = penalize_repetition(logits, before, repetition_penalty)
        drawn = _draw(logits, temperature, top_k, top_p, generator)
        tokens = torch.where(ended, tokens, drawn)  # an ended row repeats its stop token
        total = total + torch.where(ended, 0, log_p.gather(1, tokens[:, None])[:, 0])
        lengths = lengths + ~ended
        ended = ended | torch.isin(tokens, stops)
        columns.append(tokens)
        if on_token is not None:
            on_token(tokens)
        if bool(ended.all()):
            break
    return Sequences(torch.stack(columns, 1), lengths, torch.as_tensor(total), ended)


def check_sampling(temperature: float, top_k: int | None, top_p: float | None, repetition_penalty: float) -> None:
    """Raise for options of `sample` that are out of range."""
    checks.real("temperature", temperature, 0.0)
    checks.integer("top_k", 1 if top_k is None else top_k)
    checks.require(top_p is None or checks.probability("top_p", top_p) > 0, f"top_p must lie in (0, 1], got {top_p}")
    checks.real("repetition_penalty", repetition_penalty, 1.0)


def _draw(
    logits: Float[Tensor, "B V"],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator | None,
) -> Int[Tensor, " B"]:
    if temperature < torch.finfo(logits.dtype).tiny:  # 0, or a number that rounds to 0 in this dtype
        return logits.argmax(-1)
    logits = (logits - logits.amax(-1, keepdim=True)) / temperature  # the largest stays 0, so nothing overflows
    logits = logits if top_k is None else top_k_filter(logits, top_k)
    logits = logits if top_p is None else top_p_filter(logits, top_p)
    if len(logits) == 0:
        return logits.new_zeros(0, dtype=torch.int64)
    probability = softmax(logits, -1)
    if generator is None:
        return torch.multinomial(probability, 1)[:, 0]
    # On the generator's device: with a generator of the CPU, a model on a GPU draws what it draws on the CPU.
    return torch.multinomial(probability.to(generator.device), 1, generator=generator)[:, 0].to(logits.device)
