"""The project's targets next to what was measured: the tables of docs/targets.md.

A row of examples/results.json may have a `target`: `says`, in words; `find`, an expression whose group is the number in
the row's result; and the `least` or the `most` that it may be. A row of benchmarks/results.json has its limit.
"""

from __future__ import annotations

import re
from statistics import median
from typing import Any

from tools import results

Row = dict[str, Any]
MET, MISSED, UNKNOWN = "met", "**missed**", "not measured"
#: Rows of the benchmarks whose memory has a limit of its own.
MEMORY = {
    ("GPT-2, 124M", "transformers + optim.AdamW"): 0.7,
    ("fixed sparse", "softmax(QKᵀ)V, masked"): 0.25,
    ("strided sparse", "softmax(QKᵀ)V, masked"): 0.25,
    ("DenseNet121", "torchvision + optim.SGD"): 1.0,
}


def compare_example(row: Row, result: str) -> list[str]:
    """Aim, number and verdict of a row of examples/results.json; `result` is its cell of the table."""
    target = row["target"]
    found = re.search(target["find"], result)
    if found is None:
        return [target["says"], "–", UNKNOWN]
    value = float(found.group(1).replace(",", ""))
    is_met = target.get("least", value) <= value <= target.get("most", value)
    return [target["says"], found.group(1), MET if is_met else MISSED]


def compare_examples(rows: list[Row]) -> list[list[str]]:
    """Example, command, aim, number and verdict of each row with a target."""
    return [
        [
            *(f"[{row['example']}](../examples/{row['example']})", row["command"]),
            *compare_example(row, results.cells(row)[3]),
        ]
        for row in rows
        if "target" in row
    ]


def compare_benchmarks(machine: Row) -> list[list[str]]:
    """Time and memory relative to the peer's, the limit, and the verdict."""

    def compare(what: str, ratio: float, limit: float) -> list[str]:
        return [f"{what} ≤ {limit:.2f}", f"{ratio:.3f}", MET if ratio <= limit else MISSED]

    cells, ratios = [], []
    for row in machine["rows"].values():
        head = [row["name"], f"{row['size']}, {row['work']}", f"`{row['against']}`"]
        ratios.append(row["default"]["median"])
        cells.append([*head, *compare("time", ratios[-1], row["limit"])])
        if limit := MEMORY.get((row["name"], row["against"])):
            cells.append([*head, *compare("memory", row["our_bytes"] / row["peer_bytes"], limit)])
    return [["all rows", "the median of what follows", "their peers", *compare("time", median(ratios), 0.9)], *cells]


def compare_checkpointing(measured: Row) -> list[list[str]]:
    """Delay of a step by a checkpoint that is written in the background, relative to a usual step."""
    [row] = [row for row in measured["rows"] if row["who"] == "in the background"]
    usual, with_checkpoint = row["usual"], row["with_checkpoint"]
    delay = max(of(with_checkpoint) - of(usual) for of in (median, max)) / median(usual)
    what = [measured["what"], "a checkpoint in the background", "steps without one"]
    return [[*what, "delay ≤ 0.10", f"{delay:.3f}", MET if delay <= 0.1 else MISSED]]


def count(*tables: list[list[str]]) -> str:
    verdicts = [row[-1] for table in tables for row in table]
    return (
        f"{len(verdicts)} targets: {verdicts.count(MET)} met, {verdicts.count(MISSED)} missed, "
        f"{verdicts.count(UNKNOWN)} not measured yet."
    )
