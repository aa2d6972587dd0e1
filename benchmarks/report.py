"""Results on disk: `results.json` keeps every machine's rows, and `results.md` is written from it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.harness import Result
from rows.benchmark import Benchmark

Machine = dict[str, Any]

HEAD = """\
# Benchmarks

How long groundup takes, and how much memory, as ratios to what one would use instead: below 1, groundup is ahead.
Written by `make bench`; `make bench ONLY=conv` measures again the rows whose name or family contains the word.

- **default**: the `auto` backend. Both sides run in one process, taking turns; the ratio is the median of the ratios
  of neighbouring samples, in brackets its 95 % confidence interval. A row's verdict is **over** when the ratio and its
  whole interval are above the row's limit, *over?* when only the median is, *ahead* when the whole interval is below 1.
- **reference**: the definitions, as they stand and under `torch.compile` (one graph; a training step's optimizer
  stays eager), over the same peer.
- **memory**: the most bytes alive at once, inputs, parameters, gradients and optimizer state included, counted
  allocation by allocation; not counted is what a kernel's library allocates behind PyTorch's back, and a peer outside
  PyTorch (–).
- Before it is timed, each row shows that both sides give equal outputs, gradients and buffers from equal weights.

Sorted by how badly groundup loses. Single precision.
"""
COLUMNS = (
    *("row", "size", "work", "peer", "peer's time", "default ÷ peer", "limit", "verdict"),
    *("reference ÷ peer", "compiled ÷ peer", "peer's memory", "memory ÷ peer"),
)


def environment(device: torch.device) -> dict[str, str]:
    """What a ratio depends on besides the code. No names of hosts, people or folders."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    described = {
        "processor": f"{_processor()}, {cores} cores",
        "threads": str(torch.get_num_threads()),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        described = {"GPU": torch.cuda.get_device_name(device), **described}
    return described


def _processor() -> str:
    """The processor's model; /proc/cpuinfo knows it on Linux, where `platform` does not."""
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def save(folder: Path, machine: dict[str, str], results: Collection[Result], rows: Collection[Benchmark]) -> None:
    """Merge `results` into the folder's results.json, and write results.md anew.

    Kept is what was measured before, here or on another machine, of rows that the table still has.
    Raises `ValueError` if results.json is not ours.
    """
    path = folder / "results.json"
    machines = load(path)
    known = {row.key: row.why for row in rows}
    section = next((m for m in machines if m["machine"] == machine), None)
    if section is None:
        section = {"machine": machine, "rows": {}}
        machines.append(section)
    for result in results:
        section["rows"][_key(result)] = asdict(result)
    for each in machines:
        each["rows"] = {key: {**row, "why": known[key]} for key, row in each["rows"].items() if key in known}
    machines = [m for m in machines if m["rows"]]

    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(machines, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write(folder)


def write(folder: Path) -> None:
    """results.md, of all that the folder's files hold."""
    page = markdown(load(folder / "results.json"))
    for name, section in (("decoding.json", decoding_markdown), ("saving.json", saving_markdown)):
        if (folder / name).exists():
            page += "\n" + section(json.loads((folder / name).read_text(encoding="utf-8")))
    (folder / "results.md").write_text(page, encoding="utf-8")


def load(path: Path) -> list[Machine]:
    """What `save` wrote; an empty list if there is nothing yet."""
    if not path.exists():
        return []
    try:
        machines = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(m["rows"], dict) and isinstance(m["machine"], dict) for m in machines):
            return machines
    except (json.JSONDecodeError, TypeError, KeyError):
        pass
    raise ValueError(f"{path.name} does not hold benchmark results; move it away and measure again")


def _key(result: Result) -> str:
    return " · ".join((result.family, result.name, result.size, result.work, result.against))


def markdown(machines: list[Machine]) -> str:
    """The page: one table for every machine."""
    parts = [HEAD]
    for machine in machines:
        rows = sorted(machine["rows"].values(), key=lambda row: -row["default"]["median"])
        dates = sorted({row["date"] for row in rows})
        over = sum(verdict(row) == "**over**" for row in rows)
        facts = [f"{name} {value}" if name != "processor" else value for name, value in machine["machine"].items()]
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        parts += [
            f"## {facts[0]}\n",
            f"{', '.join([*facts[1:], when])}. {len(rows)} rows, {over} over their limit.\n",
            "| " + " | ".join(COLUMNS) + " |",
            "|" + "|".join("---:" if "÷" in column or "'s " in column else "---" for column in COLUMNS) + "|",
            *(f"| {' | '.join(cells(row))} |" for row in rows),
            "",
        ]
        for row in rows:
            if row.get("why") and row["default"]["median"] > row["limit"]:
                parts += [f"- {row['name']}, {row['size']}, {row['work']}: {row['why']}"]
        parts += [""]
        reasons = sorted({row["not_compiled"] for row in rows if row["not_compiled"]})
        if reasons:
            parts += [f"–: not compiled ({'; '.join(reasons)}).\n"]
    return "\n".join(parts)


def cells(row: dict[str, Any]) -> list[str]:
    default, reference, compiled = row["default"], row["reference"], row["compiled"]
    shown = [
        row["name"],
        row["size"],
        row["work"],
        f"`{row['against']}`",
        duration(row["peer_seconds"]),
        f"{default['median']:.3f} [{default['low']:.2f}, {default['high']:.2f}]",
        f"{row['limit']:.2f}",
        verdict(row),
        f"{reference['median']:.2f}",
        "–" if compiled is None else f"{compiled['median']:.2f}",
        f"{row['peer_bytes'] / 1e6:.1f} MB" if row["peer_bytes"] else "–",
        memory(row),
    ]
    return [cell.replace("|", r"\|") for cell in shown]  # a bar, as in P(h | v), would end the cell


def memory(row: dict[str, Any]) -> str:
    """Our bytes over the peer's; a peer outside PyTorch is not weighed."""
    return f"{row['our_bytes'] / row['peer_bytes']:.2f}" if row["peer_bytes"] else "–"


def verdict(row: dict[str, Any]) -> str:
    default, limit = row["default"], row["limit"]
    if default["median"] > limit:
        return "**over**" if default["low"] > limit else "*over?*"
    return "ahead" if default["high"] < 1 else ""


def decoding_markdown(measured: dict[str, Any]) -> str:
    """What `benchmarks.decoding` measured: bytes a step over its time, and over what the memory gives."""
    lines = [
        "## Decoding, and the memory's bandwidth\n",
        f"{measured['what']}. {_facts(measured)}.",
        f"A sum over half a gigabyte reads {measured['ceiling'] / 1e9:.1f} GB/s. "
        "Written by `python -m benchmarks.decoding`.\n",
        "| rows | a step | tokens a second | read, a step | GB/s | of the bandwidth |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in measured["rows"]:
        rate = row["bytes"] / row["step"]
        lines.append(
            f"| {row['batch']} | {duration(row['step'])} | {row['batch'] / row['step']:.0f} "
            f"| {row['bytes'] / 1e6:.0f} MB | {rate / 1e9:.1f} | {rate / measured['ceiling']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def _facts(measured: dict[str, Any]) -> str:
    return ", ".join([*(f"{name} {value}" for name, value in measured["machine"].items()), measured["date"]])


def saving_markdown(measured: dict[str, Any]) -> str:
    """What `benchmarks.saving` measured: how long steps last, and those beside which a checkpoint is written.

    Median is held against median, and the longest against the longest: no two steps of a machine last alike.
    """
    lines = [
        "## Saving a checkpoint while training\n",
        f"{measured['what']}. {_facts(measured)}.",
        "Written by `python -m benchmarks.saving`. Delays are in parts of the median of the steps without a",
        "checkpoint: of the median beside one, and of the longest beside one over the longest without.\n",
        "| who writes | steps without | median | longest | steps beside one | median | longest | delay of the median "
        "| of the longest | limit | copying |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in measured["rows"]:
        usual, beside = row["usual"], row["with_checkpoint"]
        cells = [
            cell for one in (usual, beside) for cell in (len(one), _duration_of(median, one), _duration_of(max, one))
        ]
        if usual and beside:
            delays = [(of(beside) - of(usual)) / median(usual) for of in (median, max)]
            cells += [f"{delay:+.0%}".replace("-0%", "+0%") for delay in delays]
        else:  # how many steps there are of either kind depends on how fast the disk is
            cells += ["–", "–"]
        cells += [row["limit"], _duration_of(max, row["copies"])]
        lines.append(f"| {row['who']} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _duration_of(of: Callable[[list[float]], float], times: list[float]) -> str:
    """The median or the largest of them; a dash where there are none."""
    return duration(of(times)) if times else "–"


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
