"""Measure how cost grows with size: time and peak memory at doubling sizes, the fitted and the expected exponent.

`python -m benchmarks.scaling` measures all and writes benchmarks/scaling.json and scaling.md; words select those whose
name contains one; --quick is a smoke run of the two smallest sizes that writes nothing without --out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import log
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.memory import peak_bytes
from benchmarks.report import duration, environment
from benchmarks.timing import Settings as Timing
from benchmarks.timing import no_garbage_collection, sampler
from groundup import functional as G
from groundup import layers as L
from groundup.data.graphs.graph import adjacency
from groundup.models.transformer_networks import GPT2

Work = Callable[[], object]


@dataclass(frozen=True)
class Growth:
    """A quantity that doubles, and how its cost is expected to grow: cost = a + b sizeᵉ, e the exponent."""

    name: str
    axis: str  # what doubles
    fixed: str  # what does not
    sizes: tuple[int, ...]
    build: Callable[[int], Work]
    time: float  # the exponents expected
    memory: float
    why: str


def backward(function: Callable[..., Tensor], *inputs: Tensor, weights: Sequence[Tensor] = ()) -> Work:
    """Return work that runs forward, and backward to every floating input and weight."""
    leaves = [x.requires_grad_() for x in inputs if x.is_floating_point()] + list(weights)
    return lambda: torch.autograd.grad(function(*inputs).sum(), leaves)


def module(layer: nn.Module, x: Tensor) -> Work:
    return backward(layer, x, weights=list(layer.parameters()))


def heads(n: int) -> list[Tensor]:
    return [torch.randn(1, 4, n, 32) for _ in range(3)]


def all_pairs(n: int) -> Work:
    """The definition, which stores the matrix of all scores."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return G.softmax(q @ k.mT / 32**0.5) @ v

    return backward(attend, *heads(n))


def fused_pairs(n: int) -> Work:
    return backward(lambda q, k, v: G.scaled_dot_product_attention(q, k, v, is_causal=True), *heads(n))


def sparse(n: int) -> Work:
    layer = L.SparseMultiHeadAttention(128, 4, block_size=64, columns=1, combine="local")
    return module(layer, torch.randn(1, n, 128))


def square_root(n: int) -> Work:
    """Blocks of the square root of the sequence's length, as in the paper: each query sees about 2 √n of n keys."""
    layer = L.SparseMultiHeadAttention(32, 4, block_size=round(n**0.5), columns=1)
    return module(layer, torch.randn(1, n, 32))


def vocabulary(v: int) -> Work:
    target = torch.randint(0, v, (512,))
    return backward(lambda x, w: G.linear_cross_entropy(x, w, target), torch.randn(512, 256), torch.randn(v, 256))


def all_logits(v: int) -> Work:
    target = torch.randint(0, v, (512,))
    return backward(lambda x, w: G.cross_entropy(x @ w.mT, target), torch.randn(512, 256), torch.randn(v, 256))


def graph(nodes: int, edges: int, features: int = 32) -> Work:
    adj = adjacency(*torch.randint(0, nodes, (2, edges)), nodes)
    return backward(lambda x: G.neighbour_sum(x, adj), torch.randn(nodes, features))


def gpt(depth: int = 2, batch: int = 4) -> Work:
    model = GPT2(256, 64, 128, depth, 4, dropout=0.0)
    return module(model, torch.randint(0, 256, (batch, 64)))


def recurrent(n: int) -> Work:
    layer = L.RNN(L.LSTM_cell(32, 64))
    return backward(lambda x: layer(x)[0], torch.randn(8, n, 32), weights=list(layer.parameters()))


GROWTHS = (
    Growth("attention, as defined", "tokens", "4 heads of 32", (512, 1024, 2048, 4096), all_pairs, 2, 2,
           "every query meets every key, and the scores stand in memory"),
    Growth("attention, the kernel", "tokens", "4 heads of 32, causal", (512, 1024, 2048, 4096), fused_pairs, 2, 1,
           "the same scores, a block at a time"),
    Growth("block-sparse attention, blocks of 64", "tokens", "4 heads of 32, local", (2048, 4096, 8192, 16384), sparse,
           1, 1, "a query sees its block, however long the text"),
    Growth("block-sparse attention, blocks of √n", "tokens", "4 heads of 8, merged", (1024, 4096, 16384),
           square_root, 1.5, 1.5, "a query sees some 2 √n keys: Child et al. 2019"),
    Growth("LSTM", "steps", "batch 8, 32 → 64", (128, 256, 512, 1024), recurrent, 1, 1, "one step after another"),
    Growth("linear_cross_entropy", "classes", "512 rows of 256", (8192, 16384, 32768, 65536), vocabulary, 1, 1,
           "every row meets every class; memory is that of the weights and of a few rows' scores"),
    Growth("cross_entropy of all logits", "classes", "512 rows of 256", (8192, 16384, 32768, 65536), all_logits, 1, 1,
           "the same, all scores at once"),
    Growth("sum over neighbours", "nodes", "16 edges a node, 32 features", (8192, 16384, 32768, 65536),
           lambda n: graph(n, 16 * n), 1, 1, "a row of the output a node, a product an edge"),
    Growth("sum over neighbours", "edges", "4,096 nodes, 8 features", (65536, 131072, 262144, 524288),
           lambda e: graph(4096, e, 8), 1, 1, "edges are read once, and never stand as a matrix of nodes"),
    Growth("GPT-2 of width 128", "batch", "2 layers, 64 tokens", (4, 8, 16, 32), lambda b: gpt(batch=b), 1, 1,
           "samples do not meet; the weights are shared"),
    Growth("GPT-2 of width 128", "depth", "batch 4, 64 tokens", (2, 4, 8, 16), lambda d: gpt(depth=d), 1, 1,
           "a layer as dear as the one before"),
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    size: int
    seconds: float
    bytes: int


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the slope of log cost over log size, by least squares."""
    return linear_regression([log(s) for s in sizes], [log(c) for c in costs]).slope


def measure(growth: Growth, rounds: int = 5, sample_seconds: float = 0.02) -> list[Point]:
    """Return the median cost of each size, measured in turn `rounds` times, so that drift does not change the slope."""
    timing, samples = Timing(sample_seconds=sample_seconds), []
    for size in growth.sizes:
        torch.manual_seed(0)
        samples.append(sampler(growth.build(size), timing, lambda: None, time.perf_counter))
    seconds: list[list[float]] = [[] for _ in samples]
    with no_garbage_collection():
        for _ in range(rounds):
            for place, sample in enumerate(samples):
                seconds[place].append(sample())
    samples.clear()
    device = torch.device("cpu")
    return [
        Point(size, median(taken), peak_bytes(lambda s=size: growth.build(s), device))  # type: ignore[misc]
        for size, taken in zip(growth.sizes, seconds)
    ]


HEAD = """\
# How cost grows

Forward and backward at doubling sizes: the median time of five, in turn, and the peak of memory (as in
[results.md](results.md)). The exponent is the slope of log cost over log size, over all sizes measured; where a cost
that does not grow is still a good part of the whole, it is below the one expected; above, where the small sizes fit
into the caches and the large ones do not (the scores of attention, as defined; the rows of a graph). Written by
`python -m benchmarks.scaling`; a machine with other work to do tilts slopes of time.
"""


def markdown(machine: dict[str, str], measured: list[dict[str, Any]]) -> str:
    facts = [value if name == "processor" else f"{name} {value}" for name, value in machine.items()]
    parts = [HEAD, f"{', '.join(facts)}.\n"]
    parts += [
        "| what | grows with | fixed | time ~ | expected | memory ~ | expected | why |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |",
        *(
            f"| {m['name']} | {m['axis']} | {m['fixed']} | {m['time']:.2f} | {m['expected_time']:g} "
            f"| {m['memory']:.2f} | {m['expected_memory']:g} | {m['why']} |"
            for m in measured
        ),
        "",
        "## Every point\n",
    ]
    for m in measured:
        points = [Point(**point) for point in m["points"]]
        parts += [
            f"**{m['name']}**, {m['fixed']} ({m['date']}, load of the machine {m['load']:.1f})\n",
            f"| {m['axis']} | " + " | ".join(f"{p.size:,}" for p in points) + " |",
            "| --- |" + " ---: |" * len(points),
            "| time | " + " | ".join(duration(p.seconds) for p in points) + " |",
            "| memory | " + " | ".join(f"{p.bytes / 1e6:.1f} MB" for p in points) + " |",
            "",
        ]
    return "\n".join(parts)


def row(growth: Growth, points: list[Point]) -> dict[str, Any]:
    sizes = [p.size for p in points]
    return {
        "name": growth.name, "axis": growth.axis, "fixed": growth.fixed, "why": growth.why,
        "time": exponent(sizes, [p.seconds for p in points]), "expected_time": growth.time,
        "memory": exponent(sizes, [p.bytes for p in points]), "expected_memory": growth.memory,
        "points": [vars(p) for p in points], "date": date.today().isoformat(), "load": os.getloadavg()[0],
    }  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("words", nargs="*", help="measure those whose name or axis contains one of these; all if none")
    parser.add_argument("--quick", action="store_true", help="a smoke run of the two smallest sizes")
    parser.add_argument("--out", type=Path, help="folder of scaling.json and scaling.md (default: benchmarks/)")
    options = parser.parse_args(argv)
    chosen = [g for g in GROWTHS if not options.words or any(w in f"{g.name} by {g.axis}" for w in options.words)]
    if not chosen:
        names = ", ".join(dict.fromkeys(f"{g.name} by {g.axis}" for g in GROWTHS))
        sys.exit(f"nothing is called {' or '.join(options.words)}; there are {names}")
    folder = options.out or (None if options.quick else Path(__file__).parent)
    machine, path = environment(torch.device("cpu")), None if folder is None else folder / "scaling.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
    known = kept.get("rows", {}) if kept.get("machine") == machine else {}
    for growth in chosen:
        if options.quick:
            growth = Growth(**{**vars(growth), "sizes": growth.sizes[:2]})
        points = measure(growth, *((1, 1e-4) if options.quick else ()))
        found = row(growth, points)
        print(
            f"{growth.name} by {growth.axis}: time {found['time']:.2f} (expected {growth.time:g}), "
            f"memory {found['memory']:.2f} (expected {growth.memory:g})",
            flush=True,
        )
        known[f"{growth.name} by {growth.axis}"] = found
        if path is not None:  # after each: what is stopped keeps what it has
            ordered = {key: known[key] for g in GROWTHS if (key := f"{g.name} by {g.axis}") in known}
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"machine": machine, "rows": ordered}, indent=1, ensure_ascii=False) + "\n")
            path.with_suffix(".md").write_text(markdown(machine, list(ordered.values())), encoding="utf-8")


if __name__ == "__main__":
    main()
