"""The table of examples/README.md: run its commands, and write it anew from what they said.

    python tools/results.py                 run what is not measured yet, or was stopped, and write the table anew
    python tools/results.py cora MUTAG      the rows whose example or command contains a word, measured or not
    python tools/results.py --table         write the table alone
    python tools/results.py --adopt         take words that were changed in the table by hand into results.json

examples/results.json is the table: `result` and `time` are words written by hand, and `measured` what runs said; where
there is both, what runs said counts. Each run lives in runs/results/ and goes on where it was stopped.
"""

from __future__ import annotations

import argparse
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
TABLE, PAGE = ROOT / "examples" / "results.json", ROOT / "examples" / "README.md"
START, END = "<!-- results -->", "<!-- end results -->"
HEAD = "| example | command | data | result, held out | time | paper |\n| --- | --- | --- | --- | --- | --- |"
UNKNOWN = "not measured yet"
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")

Row = dict[str, Any]


# ---- the page --------------------------------------------------------------------------------------------------------


def cells(row: Row, first: bool) -> list[str]:
    """A row of the table; the example's name stands in its first row alone."""
    result, taken = row["result"], row["time"]
    if runs := row.get("measured"):
        seeds = ", ".join(runs)
        result = f"{merged([run['said'] for run in runs.values()])} (seed{'s' * (len(runs) > 1)} {seeds})"
        seconds, memory = (max(run[what] for run in runs.values()) for what in ("seconds", "gib"))
        taken = f"{clock(seconds)}, {memory:.2f} GiB"
    name = f"[{row['example']}]({row['example']})" if first else ""
    return [name, row["command"], row["data"], result, taken, row["paper"]]


def markdown(rows: list[Row]) -> str:
    seen: set[str] = set()
    lines = [HEAD]
    for row in rows:
        first, *rest = cells(row, row["example"] not in seen)
        seen.add(row["example"])
        lines.append(f"| {first} | {' | '.join(rest)} |" if first else f"| | {' | '.join(rest)} |")
    return "\n".join(lines)


def parsed(page: str) -> list[Row]:
    """The rows that a page has."""
    rows, example = [], ""
    for line in page.split(START)[1].split(END)[0].strip().splitlines()[2:]:
        name, *rest = (cell.strip() for cell in re.split(r" ?\| ", line.removeprefix("|").removesuffix("|")))
        example = name[1:].split("]")[0] if name else example
        row = dict(zip(("command", "data", "result", "time", "paper"), rest, strict=True))
        rows.append({"example": example, **row})
    return rows


def adopted(rows: list[Row], page: list[Row]) -> list[Row]:
    """The page's rows, with what results.json knows besides; a cell that was changed by hand is no longer measured."""
    known = {(row["example"], row["command"]): row for row in rows}
    shown = {key: parsed(f"{START}\n{markdown([row])}\n{END}")[0] for key, row in known.items()}
    result = []
    for row in page:
        key = row["example"], row["command"]
        if key not in known:
            result.append({**row, "seeds": [0]})
        elif shown[key] == row:
            result.append(known[key])
        else:
            kept = {name: value for name, value in known[key].items() if name != "measured"}
            result.append({**kept, **row})
    return result


def write(rows: list[Row]) -> None:
    TABLE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    head, tail = page.split(START)[0], page.split(END)[1]
    PAGE.write_text(f"{head}{START}\n{markdown(rows)}\n{END}{tail}", encoding="utf-8")


# ---- what runs say ------------------------------------------------------------------------------------------------


def said(output: str) -> str:
    """What an example printed beside what is expected: its lines before the word, or the line above it."""
    found, before = [], ""
    for line in (" ".join(line.split()) for line in output.splitlines()):
        if "expected" in line:
            found.append(re.split(r"[·,;(]? ?expected", line)[0].strip() or before)
        before = line
    return "; ".join(found)


def merged(texts: list[str]) -> str:
    """One text of several that differ in their numbers: mean (least-most), with the first one's decimals."""
    frames = {_NUMBER.sub("#", text) for text in texts}
    if len(frames) > 1:
        return "; ".join(texts)
    columns = zip(*(_NUMBER.findall(text) for text in texts))
    parts = iter([_spread(column) for column in columns])
    return _NUMBER.sub(lambda _: next(parts), texts[0])


def _spread(column: tuple[str, ...]) -> str:
    if len(set(column)) == 1:
        return column[0]
    values = [float(number.replace(",", "")) for number in column]
    digits = len(column[0].partition(".")[2])
    return f"{mean(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# ---- running --------------------------------------------------------------------------------------------------------


def flags(row: Row) -> list[str]:
    """Of `python examples/x.py --a 1`, of `--a 1`, and of `make demo`, which has none."""
    words = shlex.split(re.search(r"`([^`]+)`", row["command"]).group(1))  # type: ignore[union-attr]
    return words if words[0].startswith("--") else words[2:]


def run(row: Row, seed: int, folder: Path, examples: Path, extra: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """What the run of one seed said, its seconds over all attempts, and its peak memory; None when it did not end well.

    A run that is done is not run again. `extra` flags go to the example.
    """
    place = folder / re.sub(r"\W+", "-", f"{row['example']} {' '.join(flags(row))}").strip("-") / f"seed-{seed}"
    state = place.with_suffix(".json")
    known = json.loads(state.read_text()) if state.exists() else {"said": "", "seconds": 0.0, "gib": 0.0}
    if known["said"]:
        return known
    place.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(examples / row["example"]), *flags(row), *extra]
    command += ["--seed", str(seed), "--run-dir", str(place), "--resume"]
    print(shlex.join(command[1:]), flush=True)
    begun, log = time.monotonic(), place.with_suffix(".txt")
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    known["seconds"] += time.monotonic() - begun
    known["gib"] = max(known["gib"], used.ru_maxrss / 2**20)
    if process.returncode == 0:
        known["said"] = said(log.read_text(encoding="utf-8"))
    state.write_text(json.dumps(known, ensure_ascii=False))
    if not known["said"]:
        print(f"  exit code {process.returncode}: {(log.read_text().splitlines() or [''])[-1]}", flush=True)
        return None
    print(f"  {known['said']}  ({clock(known['seconds'])})", flush=True)
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--adopt", action="store_true")
    options = parser.parse_args()
    rows = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else []
    if options.adopt:
        rows = adopted(rows, parsed(PAGE.read_text(encoding="utf-8")))
    elif not options.table:
        for row in rows:
            named = any(word in f"{row['example']} {row['command']}" for word in options.words)
            if not (named if options.words else UNKNOWN in row["result"] and "measured" not in row):
                continue
            runs = {str(seed): run(row, seed, ROOT / "runs" / "results", ROOT / "examples") for seed in row["seeds"]}
            if all(runs.values()):
                row["measured"] = runs
                write(rows)  # after each row: what is stopped keeps what it has
    write(rows)


if __name__ == "__main__":
    main()
