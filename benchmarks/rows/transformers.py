"""Language models against transformers': a training step of GPT-2, and decoding with a small LLaMA."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import Row
from groundup.functional import linear_cross_entropy
from groundup.generation import generate
from groundup.models.transformer_networks import GPT2, LLaMA2
from groundup.optimizers import AdamW
from groundup.weights import Table, to_ours, to_theirs
from groundup.weights.language_tables import gpt2_table, llama_table
from rows.peers import ready_torchvision
from rows.units import Unit, fill

STEP, DECODE = (2, 512), (64, 64)  # batch and tokens; tokens of the prompt and new ones
SMALL_LLAMA = {"embed_dim": 512, "num_layers": 8, "num_heads": 8, "context": 2048}  # 60 million parameters
TRANSLATOR = {"embed_dim": 256, "num_layers": 4, "num_heads": 4, "context": 512, "vocab_size": 8000}  # of that size
BEAM, STOP = 5, 2


class Training(Unit):
    """One step on random tokens: forward, the next token's loss, backward, AdamW."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Tensor], Tensor],
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        gradients: Callable[[dict[str, Tensor]], dict[str, Tensor]],
        vocab_size: int = 50257,
        step: tuple[int, int] = STEP,
    ) -> None:
        self.model, self.loss, self.gradients = model.train(), loss, gradients
        self.optimizer = optimizer(list(model.parameters()))
        generator = torch.Generator().manual_seed(0)
        self.tokens = torch.randint(0, vocab_size, (step[0], step[1] + 1), generator=generator)

    def run(self) -> Sequence[Tensor]:
        self.optimizer.zero_grad()
        loss = self.loss(self.model, self.tokens)
        loss.backward()
        self.optimizer.step()
        return (loss,)

    def outcome(self) -> list[Tensor]:
        """The loss, and all gradients in our names' order as one: those of the keys' biases are 0 but for rounding."""
        loss = self.run()
        grads = self.gradients({n: p.grad for n, p in self.model.named_parameters() if p.grad is not None})
        return [*loss, torch.cat([grads[name].flatten() for name in sorted(grads)])]

    def compile(self) -> None:
        """The model; loss and optimizer stay as they are."""
        self.model.compile(fullgraph=True, dynamic=False)


def filled(model: Any) -> Any:
    fill(model)
    for part in model.modules():
        if hasattr(part, "derive"):  # tables of positions, which are no weights
            part.derive(next(part.buffers()).device)
    return model


def _theirs(model: Any, table: Table, ours: nn.Module) -> Any:
    model.load_state_dict(to_theirs(table, ours.state_dict()), strict=False)  # a tied head is no key of its own
    return model


def our_step() -> Unit:
    def loss(model: Any, tokens: Tensor) -> Tensor:
        hidden = model(tokens[:, :-1], pre_logits=True)
        return linear_cross_entropy(hidden, model.head_weight, tokens[:, 1:])

    return Training(filled(GPT2(dropout=0.0)), loss, lambda p: AdamW(p, lr=1e-4), dict)


def their_step() -> Unit:
    ready_torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    def loss(model: Any, tokens: Tensor) -> Tensor:
        labels = {"labels": tokens[:, :-1], "shift_labels": tokens[:, 1:].contiguous()}
        result: Tensor = model(tokens[:, :-1], **labels, use_cache=False).loss
        return result

    ours, table = filled(GPT2(dropout=0.0)), gpt2_table(True)
    config = GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    model = _theirs(GPT2LMHeadModel(config), table, ours)
    shapes = {name: p.detach().to("meta") for name, p in ours.named_parameters()}
    optimizer = lambda p: torch.optim.AdamW(p, lr=1e-4)  # noqa: E731
    return Training(model, loss, optimizer, lambda grads: to_ours(table, grads, shapes))


class Decoding(Unit):
    """New tokens after prompts of one length. Its outcome is that of a twin in float64, where no two chances tie."""

    def __init__(self, model: Any, write: Callable[[Any, Tensor], Tensor], batch: int, vocab_size: int) -> None:
        self.model, self.write = model.eval(), write
        generator = torch.Generator().manual_seed(0)
        self.prompts = torch.randint(3, vocab_size, (batch, DECODE[0]), generator=generator)

    def run(self) -> Sequence[Tensor]:
        return (self.write(self.model, self.prompts),)

    def outcome(self) -> list[Tensor]:
        return [self.write(copy.deepcopy(self.model).double(), self.prompts)]

    def compile(self) -> None:
        raise NotImplementedError


def our_decoding(batch: int, sizes: dict[str, int], beam: int = 1) -> Callable[[], Unit]:
    how: Any = {"temperature": 0.0} if beam == 1 else {"width": beam, "stop": STOP}

    def build() -> Unit:
        def write(model: Any, prompts: Tensor) -> Tensor:
            return generate(model, prompts, max_new_tokens=DECODE[1], **how).tokens

        model = filled(LLaMA2(**sizes))
        return Decoding(model, write, batch, model.vocab_size)

    return build


def their_decoding(batch: int, sizes: dict[str, int], beam: int = 1) -> Callable[[], Unit]:
    how = {"num_beams": beam, "do_sample": False, "max_new_tokens": DECODE[1], "pad_token_id": STOP}

    def build() -> Unit:
        ready_torchvision()
        from transformers import LlamaConfig, LlamaForCausalLM

        ours = filled(LLaMA2(**sizes))
        config = LlamaConfig(
            vocab_size=ours.vocab_size,
            hidden_size=sizes["embed_dim"],
            intermediate_size=ours.init_arguments["hidden_dim"],
            num_hidden_layers=sizes["num_layers"],
            num_attention_heads=sizes["num_heads"],
            rms_norm_eps=1e-5,
            eos_token_id=None if beam == 1 else STOP,
        )

        def write(model: Any, prompts: Tensor) -> Tensor:
            with torch.no_grad():
                new: Tensor = model.generate(prompts, attention_mask=torch.ones_like(prompts), **how)
            return new[:, prompts.size(1) :]

        model = _theirs(LlamaForCausalLM(config), llama_table(False), ours)
        return Decoding(model, write, batch, ours.vocab_size)

    return build


_LONG = "minutes to compile"
ROWS = [
    Row(
        "transformer",
        "GPT-2, 124M",
        " × ".join(map(str, STEP)),
        "training step, AdamW",
        "transformers + optim.AdamW",
        our_step,
        their_step,
        0.95,
        tolerance=1e-3,
        not_compiled=_LONG,
    ),
    *(
        Row(
            "transformer",
            "LLaMA, 60M",
            f"{batch} × ({DECODE[0]} + {DECODE[1]})",
            "greedy decoding",
            "transformers' generate",
            our_decoding(batch, SMALL_LLAMA),
            their_decoding(batch, SMALL_LLAMA),
            0.77,
            not_compiled=_LONG,
        )
        for batch in (1, 8)
    ),
    Row(
        "transformer",
        "LLaMA, 8M",
        f"16 × ({DECODE[0]} + {DECODE[1]})",
        f"beam search, {BEAM} wide",
        "transformers' generate",
        our_decoding(16, TRANSLATOR, BEAM),
        their_decoding(16, TRANSLATOR, BEAM),
        1.0,
        not_compiled=_LONG,
    ),
]
