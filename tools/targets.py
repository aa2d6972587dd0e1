"""What groundup set out to reach, beside what was measured: docs/targets.md's tables.

A row of examples/results.json may have a `target`: `says`, in words; `find`, an expression whose group is the number in
what the row says; and the `least` or the `most` that it may be. A row of benchmarks/results.json has its limit.
"""

from __future__ import annotations

import re
from statistics import median
from typing import Any

Row = dict[str, Any]
#: Rows of the bench whose memory has a limit of its own.
MEMORY = {
    ("GPT-2, 124M", "transformers + optim.AdamW"): 0.7,
    ("fixed sparse", "softmax(QKᵀ)V, masked"): 0.25,
    ("strided sparse", "softmax(QKᵀ)V, masked"): 0.25,
    ("DenseNet121", "torchvision + optim.SGD"): 1.0,
}


def reached(row: Row, said: str) -> list[str]:
    """Aim, number and verdict of a row of results.json that has a target; `said` is its cell of the table."""
    target = row["target"]
    found = re.search(target["find"], said)
    if found is None:
        return [target["says"], "–", "not measured"]
    value = float(found.group(1).replace(",", ""))
    met = target.get("least", value) <= value <= target.get("most", value)
    return [target["says"], found.group(1), "met" if met else "**missed**"]


def examples(rows: list[Row], said: list[str]) -> list[list[str]]:
    """Of each with a target: what was run, on what, the aim, the number and the verdict."""
    return [
        [f"[{row['example']}](../examples/{row['example']})", row["command"], *reached(row, text)]
        for row, text in zip(rows, said, strict=True)
        if "target" in row
    ]


def bench(machine: Row) -> list[list[str]]:
    """Time and memory over the peer's, the limit, and whether it holds."""
    rows = []
    for row in machine["rows"].values():
        what = [row["name"], f"{row['size']}, {row['work']}", f"`{row['against']}`"]
        ratio, limit = row["default"]["median"], row["limit"]
        rows.append([*what, f"time ≤ {limit:.2f}", f"{ratio:.3f}", "met" if ratio <= limit else "**missed**"])
        limit = MEMORY.get((row["name"], row["against"]))
        if limit is not None:
            ratio = row["our_bytes"] / row["peer_bytes"]
            rows.append([*what, f"memory ≤ {limit:.2f}", f"{ratio:.3f}", "met" if ratio <= limit else "**missed**"])
    of_all = median(row["default"]["median"] for row in machine["rows"].values())
    verdict = "met" if of_all <= 0.9 else "**missed**"
    return [["all rows", "the median of what follows", "their peers", "time ≤ 0.90", f"{of_all:.3f}", verdict], *rows]


def saving(measured: Row) -> list[list[str]]:
    """What a checkpoint written beside training costs a step."""
    [row] = [row for row in measured["rows"] if row["who"] == "in the background"]
    usual, beside = row["usual"], row["with_checkpoint"]
    largest = max(of(beside) - of(usual) for of in (median, max)) / median(usual)
    verdict = "met" if largest <= 0.1 else "**missed**"
    what = [measured["what"], "a checkpoint in the background", "steps without one"]
    return [[*what, "delay ≤ 0.10", f"{largest:.3f}", verdict]]


def count(*tables: list[list[str]]) -> str:
    verdicts = [row[-1] for table in tables for row in table]
    missed, unknown = verdicts.count("**missed**"), verdicts.count("not measured")
    return f"{len(verdicts)} targets: {verdicts.count('met')} met, {missed} missed, {unknown} not measured yet."
