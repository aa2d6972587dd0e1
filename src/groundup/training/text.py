"""What texts are trained for, and what is asked of them afterwards: the next token, and translations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from math import ceil, exp
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from groundup.checks import integer
from groundup.data.text.sequences import ParallelText
from groundup.data.text.tokenizers import END, PAD, START
from groundup.functional import cross_entropy
from groundup.generation import beam_search
from groundup.training.batches import Batches, to_device
from groundup.training.logs import say


def next_token(model: nn.Module, batch: Any) -> tuple[Tensor, int | Tensor]:
    """The objective of language models: -Σ log p(x_t | x_1 … x_{t-1}) over tokens (B, T + 1).

    `model(tokens)` gives the logits, or (logits, state) as LangModel does.
    """
    scores = model(batch[:, :-1])
    logits = scores[0] if isinstance(scores, tuple) else scores
    return _cross_entropy(logits, batch[:, 1:])


def translation(model: nn.Module, batch: Any) -> tuple[Tensor, int | Tensor]:
    """The objective of translation: -Σ log p(y_t | y_1 … y_{t-1}, x) over a `SentenceBatch`, but for padding."""
    source, lengths, target = batch
    return _cross_entropy(model(source, target[:, :-1], lengths), target[:, 1:])


def _cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, int | Tensor]:
    total = cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD, reduction="sum")
    return total, (target != PAD).sum()


next_token.unit = "tokens"  # type: ignore[attr-defined]  # what the progress bar counts
translation.unit = "tokens"  # type: ignore[attr-defined]


def fit_length(samples: int, batch_size: int, epochs: int, usual: int, least_steps: int = 400) -> tuple[int, int]:
    """(batch size, epochs) for so many samples: few of them are cut into smaller batches and read more often.

    batch_size     smaller where an epoch would have fewer than 10 batches
    epochs         as given; 0 takes `usual`, or as many as `least_steps` steps need

    A line says what was changed.
    """
    fitted = max(1, min(integer("batch_size", batch_size), samples // 10))
    batches = ceil(samples / fitted)
    chosen = integer("epochs", epochs, 0) or max(usual, ceil(least_steps / batches))
    if (fitted, chosen) != (batch_size, epochs or usual):
        usually = f"instead of {usual} in batches of {batch_size}"
        say(f"{samples:,} samples: {chosen} epochs in batches of {fitted}, {usually}")
    return fitted, chosen


def count_pairs(train: Any, valid: Any) -> float:
    """The loss, in nats per token, of counting which token follows which: what a language model reaches at least.

    train, valid    tokens, tensors or arrays of one axis

    p(b | a) = (count(a, b) + 5 p(b)) / (count(a) + 5) with p(b) = (count(b) + 1) / (tokens + kinds), from `train`; the
    mean of -log p over `valid`. Jelinek and Mercer 1980: an estimate of pairs, smoothed by one of single tokens.
    """
    train, valid = (torch.as_tensor(np.asarray(part, dtype=np.int64)) for part in (train, valid))
    size = int(torch.maximum(train.max(), valid.max())) + 1
    single = (torch.bincount(train, minlength=size) + 1).double()
    seen, counts = torch.unique(train[:-1] * size + train[1:], return_counts=True)
    asked = valid[:-1] * size + valid[1:]
    place = torch.searchsorted(seen, asked).clamp(max=len(seen) - 1)
    pairs = torch.where(seen[place] == asked, counts[place], 0)
    before = torch.bincount(train[:-1], minlength=size)[valid[:-1]]
    p = (pairs + 5 * single[valid[1:]] / single.sum()) / (before + 5)
    return -float(p.log().mean())


def perplexity(batches: Batches, objective: Any) -> Callable[[nn.Module], dict[str, float]]:
    """`evaluate` for the Trainer: "loss", in nats a token, and "perplexity", its exponential."""

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        batches.seek(0)
        pairs = [objective(model, to_device(batch, device)) for batch in batches]
        loss = float(sum(float(total) for total, _ in pairs)) / float(sum(int(count) for _, count in pairs))
        return {"loss": loss, "perplexity": exp(loss)}

    return evaluate


@torch.no_grad()
def translate(
    model: Any,
    text: ParallelText,
    width: int = 1,
    max_len: int = 60,
    length_penalty: float = 1.0,
    batch_size: int = 100,
) -> list[str]:
    """The model's translation of every source of `text`, by beam search, in order; the model's mode is kept.

    model.begin(source, lengths) gives the state, with room for `max_len` tokens where it takes a `max_len`.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    found: list[str] = []
    room = {"max_len": max_len} if "max_len" in signature(model.begin).parameters else {}
    try:
        for indices in torch.arange(len(text)).split(batch_size):
            source, lengths, _ = to_device(text.batch(indices), device)
            start = torch.full_like(lengths, START)
            search: dict[str, Any] = {"width": width, "max_len": max_len, "length_penalty": length_penalty}
            tokens = beam_search(model.step, start, model.begin(source, lengths, **room), stop=END, **search).tokens
            found += [text.target_tokenizer.decode(row) for row in tokens[:, 0].cpu()]
    finally:
        model.train(training)
    return found


def exact_match(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Which part of the translations is right to the letter, in 0 … 1."""
    return sum(f == w for f, w in zip(found, wanted, strict=True)) / len(wanted)
