"""Beam search: the K best beginnings, carried on together.

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
from groundup.generation.state import Sequences, Step, begin, reorder, scores


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
    """The `best` of the hypotheses y with the highest log p(y) / |y|^length_penalty: `Sequences` of shape (B, n).

    Each step continues every hypothesis with every token and keeps the K best of these K · V. One that ended keeps
    its place, with the score it has, as long as there are not K better ones; |y| counts its stop token. Width 1 is
    greedy decoding; a beam as wide as there are sequences finds the best of them all.

    Differs from Sutskever and transformers, who set complete hypotheses aside and go on with K others: where hypotheses
    end early the two may find different ones, either of them the better.

    step, state, start, stop   as `sample` has them: state and start of B rows, of which the search makes B · K
    length_penalty   0 compares probabilities, which favours the short; 1 their geometric mean over the tokens
    best             n ≤ K. The search ends when, in every sentence, the n best have ended and no other can pass them.
    """
    tokens, max_len, stops = begin(start, max_len, stop)
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
        extension = log_softmax(scores(logits, B * K, stops), -1).unflatten(0, (B, K))  # B, K, V
        if log_p is None:  # all K begin as one: the others are nothing yet
            log_p = extension.new_full((B, K), -torch.inf)
            log_p[:, 0] = 0
        repeat = extension.new_full(extension.shape[-1:], -torch.inf)
        repeat[stops[0]] = 0  # the one way on for what has ended, which costs nothing
        extension = torch.where(ended[..., None], repeat, extension)
        candidates = log_p[..., None] + extension
        grown = lengths + ~ended
        ranking = candidates / grown[..., None] ** length_penalty
        score, place = ranking.flatten(1).topk(K, 1)  # of K · V
        parent, token = place // extension.size(-1), place % extension.size(-1)

        rows = (first_row + parent).flatten()
        state = reorder(state, rows)  # every hypothesis a copy of its parent's
        history = torch.cat([history.flatten(0, 1)[rows].unflatten(0, (B, K)), token[..., None]], -1)
        log_p = candidates.flatten(1).gather(1, place)
        lengths = grown.gather(1, parent)
        ended = ended.gather(1, parent) | torch.isin(token, stops)
        tokens = token.flatten()

        # Where the others can get to at best: not one token more costs anything, and there are max_len of them.
        bound = torch.where(ended, -torch.inf, log_p / max_len**length_penalty).amax(1)
        nothing = log_p == -torch.inf  # there are fewer than K sequences
        if bool(((ended | nothing)[:, :n].all(1) & (score[:, n - 1] >= bound)).all()):
            break
    assert log_p is not None
    return Sequences(history[:, :n], lengths[:, :n], log_p[:, :n], ended[:, :n])
