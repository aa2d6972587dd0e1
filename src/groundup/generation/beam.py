"""Beam search: extend the K most probable beginnings of a sequence together.

Graves 2012, arXiv:1211.3711, section 2.5; Sutskever et al. 2014, arXiv:1409.3215, section 3.2.

Legend: B sentences, K width, n best, V vocabulary, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from groundup import checks
from groundup.functional.softmax import log_softmax
from groundup.generation.state import Sequences, Step, check_logits, check_start, reorder


@torch.no_grad()
def beam_search(
    step: Step,
    start: Int[Tensor, " B"],
    state: Any = None,
    *,
    width: int,
    max_len: int,
    stop: int | Sequence[int],
    length_penalty: float = 0.0,
    best: int = 1,
) -> Sequences:
    """Return the hypotheses y with the highest log p(y) / |y|^length_penalty: `Sequences` of shape (B, n).

    Each step extends every hypothesis by every token and keeps the K best of these K · V. A hypothesis that has ended
    keeps its place and its score as long as there are not K better ones; |y| counts its stop token. The search ends
    when, in every sentence, the n best have ended and no other can become better.

    Why: the most probable first token need not begin the most probable sequence. Width 1 is greedy decoding; a beam as
    wide as there are sequences finds the best of all. Why the length penalty: every token multiplies the probability
    by a factor below 1, so without it short sequences win.

    Differs from Sutskever et al. and transformers, who set ended hypotheses aside and extend K others: if hypotheses
    end early the two may find different ones, and either may be better.

    Args:
        step, start, state, stop: as for `sample`, with B rows, from which the search makes B · K.
        width: K, the number of hypotheses per sentence.
        max_len: maximum number of tokens.
        length_penalty: 0 compares probabilities; 1 their geometric means over the tokens.
        best: n ≤ K, the number of hypotheses to return.

    Example:
        >>> step = lambda tokens, state: (torch.tensor([[0.0, 2.0, 1.0]]).expand(len(tokens), 3), state)
        >>> beam_search(step, torch.tensor([0]), width=2, max_len=3, stop=1).tokens.tolist()
        [[[1]]]
    """
    tokens, max_len, stops = check_start(start, max_len, stop)
    checks.require(len(stops) > 0, "stop must name at least one token: without an end no hypothesis is complete")
    checks.real("length_penalty", length_penalty, 0.0)
    B, K, n = len(tokens), checks.integer("width", width), checks.integer("best", best)
    checks.require(n <= K, f"best must be at most width={width}, got {best}")

    first_row = torch.arange(B, device=tokens.device)[:, None] * K  # B, 1
    tokens = tokens.repeat_interleave(K)
    state = reorder(state, torch.arange(B, device=tokens.device).repeat_interleave(K))
    history = tokens.new_empty(B, K, 0)
    lengths, ended = tokens.new_zeros(B, K), torch.zeros(B, K, dtype=torch.bool, device=tokens.device)
    log_p: Tensor | None = None
    for _ in range(max_len):
        logits, state = step(tokens, state)
        extension = log_softmax(check_logits(logits, B * K, stops), -1).unflatten(0, (B, K))  # B, K, V
        if log_p is None:  # one hypothesis, not K equal ones
            log_p = extension.new_full((B, K), -torch.inf)
            log_p[:, 0] = 0
        repeat = extension.new_full(extension.shape[-1:], -torch.inf)
        repeat[stops[0]] = 0  # the only extension of an ended hypothesis, at no cost
        extension = torch.where(ended[..., None], repeat, extension)
        candidates = log_p[..., None] + extension
        grown = lengths + ~ended
        ranking = candidates / grown[..., None] ** length_penalty
        score, place = ranking.flatten(1).topk(K, 1)  # of K · V
        parent, token = place // extension.size(-1), place % extension.size(-1)

        rows = (first_row + parent).flatten()
        state = reorder(state, rows)  # each hypothesis gets a copy of its parent's state
        history = torch.cat([history.flatten(0, 1)[rows].unflatten(0, (B, K)), token[..., None]], -1)
        log_p = candidates.flatten(1).gather(1, place)
        lengths = grown.gather(1, parent)
        ended = ended.gather(1, parent) | torch.isin(token, stops)
        tokens = token.flatten()

        # The best score that the others can reach: max_len tokens, of which no further one costs anything.
        bound = torch.where(ended, -torch.inf, log_p / max_len**length_penalty).amax(1)
        missing = log_p == -torch.inf  # there are fewer than K sequences
        if bool(((ended | missing)[:, :n].all(1) & (score[:, n - 1] >= bound)).all()):
            break
    assert log_p is not None
    return Sequences(history[:, :n], lengths[:, :n], log_p[:, :n], ended[:, :n])
