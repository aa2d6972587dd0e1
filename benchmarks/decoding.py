"""Measure the share of the memory bandwidth that decoding reaches: each new token reads all weights once.

    python -m benchmarks.decoding [--tokens 64] [--out benchmarks]

The bandwidth is that of a sum over half a gigabyte with all threads, the best of ten. The results are in
decoding.json, and at the end of results.md.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path
from statistics import median

import torch

from benchmarks.report import decoding_markdown, environment, write
from groundup.generation import generate
from groundup.models.transformer_networks import LLaMA2
from rows.language_models import SMALL_LLAMA, fill_model

PROMPT, ROUNDS = 64, 7


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ceiling(numbers: int = 2**27) -> float:
    """Return the bytes per second that a sum reads."""
    x = torch.ones(numbers)
    return 4 * numbers / min(seconds(x.sum) for _ in range(10))


def bytes_of_a_step(model: LLaMA2, batch: int, length: int) -> int:
    """Return the bytes read per step: all weights except the token embedding, and the cached keys and values."""
    weights = sum(p.numel() for p in model.parameters()) - model.token_embedding.weight.numel()
    cached = 2 * SMALL_LLAMA["num_layers"] * batch * length * SMALL_LLAMA["embed_dim"]
    return 4 * (weights + cached)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    model, rows = fill_model(LLaMA2(**SMALL_LLAMA)).eval(), []
    for batch in (1, 8):
        prompts = torch.randint(3, model.vocab_size, (batch, PROMPT))

        def measure_seconds(new: int, prompts=prompts) -> float:
            return median(
                seconds(lambda: generate(model, prompts, max_new_tokens=new, temperature=0.0)) for _ in range(ROUNDS)
            )

        step = (measure_seconds(given.tokens + 1) - measure_seconds(1)) / given.tokens  # without the prompt
        rows.append({"batch": batch, "step": step, "bytes": bytes_of_a_step(model, batch, PROMPT + given.tokens // 2)})
    measured = {
        "what": f"LLaMA, 60M, float32, greedy: {given.tokens} tokens after {PROMPT}",
        "machine": environment(torch.device("cpu")),
        "date": date.today().isoformat(),
        "ceiling": ceiling(),
        "rows": rows,
    }
    print(decoding_markdown(measured))
    (given.out / "decoding.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    write(given.out)


if __name__ == "__main__":
    main()
