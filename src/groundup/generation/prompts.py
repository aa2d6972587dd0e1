"""Language models that go on from prompts: batches of unequal ones, with a cache, to the end of the context or past it.

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
from groundup.generation.sampling import sample
from groundup.generation.state import Sequences
from groundup.kernels.packed import packed
from groundup.layers import Linear

PAST_CONTEXT = ("refuse", "slide")
WORTH = 16  # tokens, from which on it is worth it to lay out the weights anew


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
    """`Sequences` of up to `max_new_tokens` that follow each prompt: those that it would have alone.

    (What is drawn is another matter: one generator draws for all rows.)

    model        one with `begin`, `step`, `context` and `vocab_size`: GPT2, GPT3, LLaMA1, LLaMA2; or one with `read`,
                 `step` and `vocab_size`: LangModel, which is recurrent and has no context to run out of
    prompts      lists of tokens, of any lengths; or a tensor, with a `mask` of what is a word where rows are padded,
                 on either side
    temperature, top_k, top_p, repetition_penalty, generator, on_token    as `sample` has them; temperature 0 is greedy
    width        more than 1: a beam search of that width, by `length_penalty`; it draws nothing and tells no tokens
    past_context what happens when prompt and tokens are more than the model's context: "refuse" raises; "slide" lets a
                 row go on with the newest half of what the model sees of it, read anew, each time that it is full
    chunk        how many tokens of the prompts are read at a time: it bounds the memory, and changes nothing else

    The model's mode is the caller's; call `model.eval()` where it has dropout. Of several rows in float32 on a CPU, the
    weights (up to 2 GiB of them) are held twice during the call, laid out as its products want them. A compiled step is
    taken as it is: `model.step = torch.compile(model.step)` is compiled for one length, and then for all.
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
    if top_k is not None and checks.integer("top_k", top_k) > model.vocab_size:
        raise ValueError(f"top_k must be at most vocab_size={model.vocab_size}, got {top_k}")
    if hasattr(model, "read"):
        step, (start, state) = model.step, _read_recurrent(model, rows)
    else:
        step, start, state = _begin(model, rows, max_new_tokens, past_context, chunk)
    with packed(_matrices(model) if max_new_tokens >= WORTH else (), len(rows) * width):
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
            seen=_padded(rows)[0] if repetition_penalty > 1 else None,
            generator=generator,
            on_token=on_token,
        )


def _begin(
    model: Any, rows: list[Tensor], new_tokens: int, past_context: str, chunk: int
) -> tuple[Callable[[Tensor, Any], tuple[Tensor, Any]], Tensor, Any]:
    """(step, start, state) of a model with a context, which has read all of each row but its last token."""
    longest, context = max(map(len, rows)), model.context
    slides = longest + new_tokens - 1 > context
    if slides and past_context == "refuse":
        raise ValueError(
            f"the longest prompt has {longest} tokens, and {new_tokens} more do not fit into context={context}: "
            "shorten the prompt, ask for fewer, or pass past_context='slide'"
        )
    seen, padding = _padded(rows)
    longest = min(longest, context)
    tokens, padding = seen[:, -longest:], (padding - (seen.size(1) - longest)).clamp(min=0)
    state = model.begin(len(rows), min(context, longest + new_tokens), padding if padding.any() else None)
    _read(model, tokens[:, :-1], state, chunk)
    if slides:
        return _sliding(model, chunk), tokens[:, -1], (state, tokens[:, :-1], padding)
    return model.step, tokens[:, -1], state


def _read_recurrent(model: Any, rows: list[Tensor]) -> tuple[Tensor, Any]:
    """(the last token of each row, the state after those before it)."""
    tokens, lengths = pad_sequences(rows)
    return model.read(tokens.to(rows[0].device), lengths.to(rows[0].device))


def _rows(prompts: Any, mask: Tensor | None, model: Any) -> list[Tensor]:
    """The tokens of each prompt, without padding, where the model is."""
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
        rows = [_row(i, row, device) for i, row in enumerate(_listed(prompts))]
    checks.require(len(rows) > 0, "prompts must hold at least one prompt, got none")
    for i, row in enumerate(rows):
        if row.dim() != 1:
            raise ValueError(f"prompts: number {i} must be a list of tokens, got {row.tolist()}; one is [[1, 2]]")
        checks.require(len(row) > 0, f"prompts: number {i} is empty; begin with the tokenizer's first token, if any")
        checks.indices("prompts", row, model.vocab_size, "vocab_size")
    return [row.long() for row in rows]


def _listed(prompts: Any) -> Iterable[Any]:
    if isinstance(prompts, (str, bytes)) or not isinstance(prompts, Iterable):
        what = f"{prompts!r} ({type(prompts).__name__})"
        raise TypeError(f"prompts must be lists of tokens, or a tensor (B, P), got {what}: encode texts first")
    return prompts


def _row(number: int, row: Any, device: torch.device | None) -> Tensor:
    try:
        return torch.as_tensor(row, device=device)
    except (TypeError, ValueError, RuntimeError) as failure:  # of a text, of None among tokens
        raise TypeError(
            f"prompts: number {number} must be a list of tokens, got {row!r}; encode texts with the model's tokenizer"
        ) from failure


def _padded(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows that end together, and with how many places of padding each begins.

    They are filled with what the row has anyway: nothing looks there, but for the penalty of repetition.
    """
    longest = max(map(len, rows))
    tokens = torch.stack([torch.cat([row[:1].expand(longest - len(row)), row]) for row in rows])
    return tokens, torch.tensor([longest - len(row) for row in rows], device=tokens.device)


def _matrices(model: Any) -> list[Tensor]:
    """The weights that every step multiplies with; none of a step that was replaced, as by a compiled one."""
    if not isinstance(model, nn.Module) or "step" in vars(model):
        return []
    head = getattr(model, "head_weight", None)
    layers: list[Tensor] = [part.weight for part in model.modules() if isinstance(part, Linear)]
    return [*layers, head] if isinstance(head, Tensor) else layers


def _read(model: Any, tokens: Tensor, state: Any, chunk: int) -> None:
    """Let `state` see the tokens (B, P), which may be none."""
    for first in range(0, tokens.size(1), chunk):
        model(tokens[:, first : first + chunk], state, pre_logits=True)


def _sliding(model: Any, chunk: int) -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
    """`model.step`, which reads all rows anew when a row has no place for one token more: of that row the newest half.

    Its state is the model's, the tokens that it has seen, and with how many places of padding its rows begin.
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
