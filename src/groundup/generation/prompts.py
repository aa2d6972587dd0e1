"""Continue prompts with a language model: batches of unequal prompts, with a cache, also beyond the context.

Legend: B prompts, P tokens of the longest, T new tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from groundup import checks
from groundup.data.text.batches import pad_sequences
from groundup.generation.beam import beam_search
from groundup.generation.sampling import check_sampling, sample
from groundup.generation.state import Sequences
from groundup.kernels.linear import pack_weights
from groundup.layers import Linear

PAST_CONTEXT = ("refuse", "slide")
#: With fewer new tokens, packing the weights takes longer than it saves.
PACKING_MIN_TOKENS = 16


@torch.no_grad()
def generate(
    model: Any,
    prompts: Sequence[Sequence[int]] | Int[Tensor, "B P"],
    *,
    max_new_tokens: int,
    mask: Bool[Tensor, "B P"] | None = None,
    stop: int | Sequence[int] = (),
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    width: int = 1,
    length_penalty: float = 1.0,
    generator: torch.Generator | None = None,
    on_token: Callable[[Tensor], object] | None = None,
    past_context: str = "refuse",
    chunk: int = 512,
) -> Sequences:
    """Return up to `max_new_tokens` for each prompt, as `Sequences`. The scores of a row do not depend on the others.

    Args:
        model: a model with `begin`, `step`, `context` and `vocab_size`, such as GPT2, GPT3, LLaMA1 and LLaMA2; or with
            `read`, `step` and `vocab_size`, such as LangModel, which is recurrent and has no limited context.
        prompts: lists of tokens, of any lengths; or a tensor.
        max_new_tokens: maximum number of tokens.
        mask: for a tensor of prompts, True for tokens and False for padding, on either side.
        stop, temperature, top_k, top_p, repetition_penalty, generator, on_token: as for `sample`. One generator draws
            for all rows.
        width: if above 1, the width of a beam search, which uses no random numbers and calls no `on_token`.
        length_penalty: of the beam search.
        past_context: what to do when a row outgrows the model's context: "refuse" raises an error; "slide" drops the
            older half of the row and reads the newer half again, each time that the context is full.
        chunk: number of tokens of the prompts that are read at once. It limits the memory and changes nothing else.

    The model's mode is not changed: call `model.eval()` if it has dropout. With several rows in float32 on a CPU, the
    weights (up to 2 GiB) are stored twice during the call, in the layout that is fastest for its products. A compiled
    step works: `model.step = torch.compile(model.step)` is compiled for one length and then for all.

    Example:
        >>> from groundup.models import GPT2
        >>> model = GPT2(vocab_size=10, context=8, embed_dim=4, num_layers=1, num_heads=2).eval()
        >>> generate(model, [[1, 2, 3], [4]], max_new_tokens=2).tokens.shape
        torch.Size([2, 2])
    """
    needed = ("read", "step", "vocab_size") if hasattr(model, "read") else ("begin", "step", "context", "vocab_size")
    if missing := [name for name in needed if not hasattr(model, name)]:
        raise TypeError(f"model must be a language model, with {', '.join(missing)}, got {type(model).__name__}")
    rows = _rows(prompts, mask, model)
    checks.integer("max_new_tokens", max_new_tokens)
    if checks.integer("width", width) > 1:
        draws = {"temperature": temperature not in (0, 1), "repetition_penalty": repetition_penalty != 1}
        draws |= {"top_k": top_k is not None, "top_p": top_p is not None}
        for name, given in draws.items():
            checks.require(not given, f"{name} does not go with width={width}, a beam search, which draws nothing")
    checks.integer("chunk", chunk)
    checks.choice("past_context", past_context, PAST_CONTEXT)
    check_sampling(temperature, top_k, top_p, repetition_penalty)
    if top_k is not None and top_k > model.vocab_size:
        raise ValueError(f"top_k must be at most vocab_size={model.vocab_size}, got {top_k}")
    if hasattr(model, "read"):
        step, (start, state) = model.step, _read_recurrent(model, rows)
    else:
        step, start, state = _begin(model, rows, max_new_tokens, past_context, chunk)
    with pack_weights(_matrices(model) if max_new_tokens >= PACKING_MIN_TOKENS else (), len(rows) * width):
        if width > 1:
            found = beam_search(
                step, start, state, width=width, max_len=max_new_tokens, stop=stop, length_penalty=length_penalty
            )
            return Sequences(*(part[:, 0] for part in found))
        return sample(
            step,
            start,
            state,
            max_len=max_new_tokens,
            stop=stop,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            seen=_align_ends(rows)[0] if repetition_penalty > 1 else None,
            generator=generator,
            on_token=on_token,
        )


def _begin(
    model: Any, rows: list[Tensor], new_tokens: int, past_context: str, chunk: int
) -> tuple[Callable[[Tensor, Any], tuple[Tensor, Any]], Tensor, Any]:
    """Return (step, start, state) of a model with a context that has read each row except its last token."""
    longest, context = max(map(len, rows)), model.context
    slides = longest + new_tokens - 1 > context
    if slides and past_context == "refuse":
        raise ValueError(
            f"the longest prompt has {longest} tokens, and {new_tokens} more do not fit into context={context}: "
            "shorten the prompt, ask for fewer, or pass past_context='slide'"
        )
    seen, padding = _align_ends(rows)
    longest = min(longest, context)
    tokens, padding = seen[:, -longest:], (padding - (seen.size(1) - longest)).clamp(min=0)
    state = model.begin(len(rows), min(context, longest + new_tokens), padding if padding.any() else None)
    _read(model, tokens[:, :-1], state, chunk)
    if slides:
        return _sliding(model, chunk), tokens[:, -1], (state, tokens[:, :-1], padding)
    return model.step, tokens[:, -1], state


def _read_recurrent(model: Any, rows: list[Tensor]) -> tuple[Tensor, Any]:
    """Return (the last token of each row, the state after the tokens before it)."""
    tokens, lengths = pad_sequences(rows)
    return model.read(tokens.to(rows[0].device), lengths.to(rows[0].device))


def _rows(prompts: Any, mask: Tensor | None, model: Any) -> list[Tensor]:
    """Return the tokens of each prompt, without padding, on the model's device."""
    device = next((p.device for p in model.parameters()), None) if isinstance(model, nn.Module) else None
    if isinstance(prompts, Tensor):
        checks.rank("prompts", prompts, 2, layout="(B, P)")
        if device is not None and prompts.device != device:
            raise ValueError(f"prompts are on {prompts.device}, and the model on {device}: move them with .to()")
        if mask is not None and (checks.tensor("mask", mask).dtype != torch.bool or mask.shape != prompts.shape):
            raise ValueError(
                f"mask must be boolean and of prompts' shape {tuple(prompts.shape)}, got {mask.dtype} of shape "
                f"{tuple(mask.shape)}; ones and zeros with mask.bool()"
            )
        rows = [row if mask is None else row[real] for row, real in zip(prompts, prompts if mask is None else mask)]
    else:
        checks.require(mask is None, "mask belongs to prompts in one tensor: lists have their own lengths")
        rows = [_row(i, row, device) for i, row in enumerate(_check_lists(prompts))]
    checks.require(len(rows) > 0, "prompts must hold at least one prompt, got none")
    for i, row in enumerate(rows):
        if row.dim() != 1:
            raise ValueError(f"prompts: number {i} must be a list of tokens, got {row.tolist()}; one is [[1, 2]]")
        checks.require(len(row) > 0, f"prompts: number {i} is empty; begin with the tokenizer's first token, if any")
        checks.indices("prompts", row, model.vocab_size, "vocab_size")
    return [row.long() for row in rows]


def _check_lists(prompts: Any) -> Iterable[Any]:
    if isinstance(prompts, (str, bytes)) or not isinstance(prompts, Iterable):
        given = f"{prompts!r} ({type(prompts).__name__})"
        raise TypeError(f"prompts must be lists of tokens, or a tensor (B, P), got {given}: encode texts first")
    return prompts


def _row(number: int, row: Any, device: torch.device | None) -> Tensor:
    try:
        return torch.as_tensor(row, device=device)
    except (TypeError, ValueError, RuntimeError) as failure:  # for a text, or None among tokens
        raise TypeError(
            f"prompts: number {number} must be a list of tokens, got {row!r}; encode texts with the model's tokenizer"
        ) from failure


def _align_ends(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the rows aligned at their ends, and the number of places of padding before each.

    The padding repeats the first token of the row: only the repetition penalty reads it, and it must not change that.
    """
    longest = max(map(len, rows))
    tokens = torch.stack([torch.cat([row[:1].expand(longest - len(row)), row]) for row in rows])
    return tokens, torch.tensor([longest - len(row) for row in rows], device=tokens.device)


def _matrices(model: Any) -> list[Tensor]:
    """Return the weights that every step multiplies by; none if the step was replaced, such as by a compiled one."""
    if not isinstance(model, nn.Module) or "step" in vars(model):
        return []
    head = getattr(model, "head_weight", None)
    layers: list[Tensor] = [part.weight for part in model.modules() if isinstance(part, Linear)]
    return [*layers, head] if isinstance(head, Tensor) else layers


def _read(model: Any, tokens: Tensor, state: Any, chunk: int) -> None:
    """Update `state` by the tokens (B, P); P may be 0."""
    for first in range(0, tokens.size(1), chunk):
        model(tokens[:, first : first + chunk], state, pre_logits=True)


def _sliding(model: Any, chunk: int) -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
    """Return a step that reads all rows again when the context is full, and of the full rows only the newer half.

    Its state is the model's, the tokens that it has seen, and the number of places of padding before each row.
    """

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        inner, seen, padding = state
        seen = torch.cat([seen, tokens[:, None]], 1)
        if seen.size(1) <= model.context:
            logits, inner = model.step(tokens, inner)
            return logits, (inner, seen, padding)
        lengths = torch.where(padding > 0, seen.size(1) - padding, (model.context + 1) // 2)
        longest = int(lengths.max())
        seen, padding = seen[:, -longest:], longest - lengths
        inner = model.begin(len(seen), model.context, padding if padding.any() else None)
        _read(model, seen[:, :-1], inner, chunk)
        logits, inner = model.step(tokens, inner)
        return logits, (inner, seen, padding)

    return step
