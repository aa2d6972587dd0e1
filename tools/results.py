"""Run the commands of the table of examples/README.md and write their results.

examples/results.json is the table: `result` and `time` are written by hand, `measured` is what runs printed and takes
precedence. Every run is kept in runs/results/ and continues where it was stopped.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "examples" / "results.json"
HEAD = "| example | command | data | result, held out | time | paper |\n| --- | --- | --- | --- | --- | --- |"
UNKNOWN = "not measured yet"
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")

Row = dict[str, Any]


def read_rows() -> list[Row]:
    return json.loads(TABLE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


# ---- the table -------------------------------------------------------------------------------------------------------


def cells(row: Row) -> list[str]:
    """The cells of a row: example, command, data, result, time and paper."""
    result, duration = row["result"], row["time"]
    if runs := row.get("measured"):
        seeds = ", ".join(runs)
        result = f"{merge_seeds([run['said'] for run in runs.values()])} (seed{'s' * (len(runs) > 1)} {seeds})"
        seconds, memory = (max(run[what] for run in runs.values()) for what in ("seconds", "gib"))
        duration = f"{format_seconds(seconds)}, {memory:.2f} GiB"
    return [f"[{row['example']}]({row['example']})", row["command"], row["data"], result, duration, row["paper"]]


def markdown() -> str:
    """The table of examples/README.md; the first row of an example names it."""
    lines, seen = [HEAD], ""
    for name, *rest in map(cells, read_rows()):
        lines.append(f"| {name} | {' | '.join(rest)} |" if name != seen else f"| | {' | '.join(rest)} |")
        seen = name
    return "\n".join(lines)


# ---- what runs print -----------------------------------------------------------------------------------------------


def find_result(output: str) -> str:
    """The result in an example's output: the part of a line before "expected", or the line above it."""
    found, before = [], ""
    for line in (" ".join(line.split()) for line in output.splitlines()):
        if "expected" in line:
            found.append(re.split(r"[·,;(]? ?expected", line)[0].strip() or before)
        before = line
    return "; ".join(found)


def merge_seeds(texts: list[str]) -> str:
    """One text of several that differ in their numbers: mean (least-most), with the first one's decimals."""
    frames = {_NUMBER.sub("#", text) for text in texts}
    if len(frames) > 1:
        return "; ".join(texts)
    columns = zip(*(_NUMBER.findall(text) for text in texts))
    parts = iter([_format_range(column) for column in columns])
    return _NUMBER.sub(lambda _: next(parts), texts[0])


def _format_range(column: tuple[str, ...]) -> str:
    if len(set(column)) == 1:
        return column[0]
    values = [float(number.replace(",", "")) for number in column]
    digits = len(column[0].partition(".")[2])
    return f"{mean(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def format_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# ---- running --------------------------------------------------------------------------------------------------------


def parse_flags(row: Row) -> list[str]:
    """The flags of `python examples/x.py --a 1`, of `--a 1`, and of `make demo`, which has none."""
    words = shlex.split(re.search(r"`([^`]+)`", row["command"]).group(1))  # type: ignore[union-attr]
    return words if words[0].startswith("--") else words[2:]


def run_seed(row: Row, seed: int, folder: Path, examples: Path) -> dict[str, Any] | None:
    """The result of the run of one seed, its seconds over all attempts, its peak memory; None if it did not finish.

    A run that has finished is not run again.
    """
    place = folder / re.sub(r"\W+", "-", f"{row['example']} {' '.join(parse_flags(row))}").strip("-") / f"seed-{seed}"
    state = place.with_suffix(".json")
    known = json.loads(state.read_text()) if state.exists() else {"said": "", "seconds": 0.0, "gib": 0.0}
    if known["said"]:
        return known  # type: ignore[no-any-return]
    place.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(examples / row["example"]), *parse_flags(row)]
    command += ["--seed", str(seed), "--run-dir", str(place), "--resume"]
    print(shlex.join(command[1:]), flush=True)
    start, log = time.monotonic(), place.with_suffix(".txt")
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    known["seconds"] += time.monotonic() - start
    known["gib"] = max(known["gib"], used.ru_maxrss / 2**20)
    if process.returncode == 0:
        known["said"] = find_result(log.read_text(encoding="utf-8"))
    state.write_text(json.dumps(known, ensure_ascii=False))
    if not known["said"]:
        print(f"  exit code {process.returncode}: {(log.read_text().splitlines() or [''])[-1]}", flush=True)
        return None
    print(f"  {known['said']}  ({format_seconds(known['seconds'])})", flush=True)
    return known  # type: ignore[no-any-return]


def main(words: list[str]) -> None:
    rows = read_rows()
    for row in rows:
        is_named = any(word in f"{row['example']} {row['command']}" for word in words)
        if not (is_named if words else UNKNOWN in row["result"] and "measured" not in row):
            continue
        runs = {str(seed): run_seed(row, seed, ROOT / "runs" / "results", ROOT / "examples") for seed in row["seeds"]}
        if all(runs.values()):
            row["measured"] = runs  # written after each row, so that an interrupted command keeps what it has
            TABLE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
