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

Time and memory of groundup, relative to what one would use instead: below 1, groundup is faster or smaller.
Written by `make bench`; `make bench ONLY=conv` measures only the rows whose name or family contains the word.

- **default**: the `auto` backend. Both sides run interleaved in one process; the ratio is the median of the ratios of
  neighbouring samples, with its 95 % confidence interval in brackets. A row is **over** when the ratio and its whole
  interval are above the row's limit, *over?* when only the median is, *ahead* when the whole interval is below 1.
- **reference**: the definitions, eager and under `torch.compile` (one graph; the optimizer of a training step stays
  eager), relative to the same peer.
- **memory**: the most bytes alive at once, inputs, parameters, gradients and optimizer state included, counted
  allocation by allocation. Memory that a kernel's library or a peer allocates without PyTorch is not counted (–).
- Before a row is timed, both sides must give equal outputs, gradients and buffers from equal weights.

Sorted by the ratio, the slowest first. Single precision.
"""
COLUMNS = (
    *("row", "size", "work", "peer", "peer's time", "default ÷ peer", "limit", "verdict"),
    *("reference ÷ peer", "compiled ÷ peer", "peer's memory", "memory ÷ peer"),
)


def environment(device: torch.device) -> dict[str, str]:
    """The machine and the versions, on which ratios depend. No names of hosts, people or folders."""
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
    """The model of the processor; on Linux from /proc/cpuinfo, because `platform` does not name it."""
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def save(folder: Path, machine: dict[str, str], results: Collection[Result], rows: Collection[Benchmark]) -> None:
    """Merge `results` into the folder's results.json, and write results.md from it.

    Earlier results, of this machine and of others, are kept for the rows that still exist.
    Raises `ValueError` if results.json holds something else.
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
    """Write results.md from the JSON files of the folder."""
    page = markdown(load(folder / "results.json"))
    for name, section in (("decoding.json", decoding_markdown), ("saving.json", saving_markdown)):
        if (folder / name).exists():
            page += "\n" + section(json.loads((folder / name).read_text(encoding="utf-8")))
    (folder / "results.md").write_text(page, encoding="utf-8")


def load(path: Path) -> list[Machine]:
    """Read what `save` wrote; return an empty list if there is no file."""
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
    """Return the page: one table per machine."""
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
    """Our bytes over the peer's; a dash for a peer whose memory PyTorch does not allocate."""
    return f"{row['our_bytes'] / row['peer_bytes']:.2f}" if row["peer_bytes"] else "–"


def verdict(row: dict[str, Any]) -> str:
    default, limit = row["default"], row["limit"]
    if default["median"] > limit:
        return "**over**" if default["low"] > limit else "*over?*"
    return "ahead" if default["high"] < 1 else ""


def decoding_markdown(measured: dict[str, Any]) -> str:
    """Return the section of `benchmarks.decoding`: bytes read per second, and their share of the bandwidth."""
    lines = [
        "## Decoding, relative to the memory bandwidth\n",
        f"{measured['what']}. {_facts(measured)}.",
        f"A sum over half a gigabyte reads {measured['ceiling'] / 1e9:.1f} GB/s. "
        "Written by `python -m benchmarks.decoding`.\n",
        "| rows | time per step | tokens per second | read per step | GB/s | of the bandwidth |",
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
    """Return the section of `benchmarks.saving`: durations of steps with and without a checkpoint.

    Median is compared with median and longest with longest, because steps differ in duration.
    """
    lines = [
        "## Saving a checkpoint while training\n",
        f"{measured['what']}. {_facts(measured)}.",
        "Written by `python -m benchmarks.saving`. Delays are relative to the median step without a",
        "checkpoint: of the median step with one, and of the longest step with one over the longest without.\n",
        "| who writes | steps without | median | longest | steps with one | median | longest | delay of the median "
        "| of the longest | limit | copying |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in measured["rows"]:
        usual, with_one = row["usual"], row["with_checkpoint"]
        cells = [
            cell for one in (usual, with_one) for cell in (len(one), _duration_of(median, one), _duration_of(max, one))
        ]
        if usual and with_one:
            delays = [(of(with_one) - of(usual)) / median(usual) for of in (median, max)]
            cells += [f"{delay:+.0%}".replace("-0%", "+0%") for delay in delays]
        else:  # how many steps there are of either kind depends on how fast the disk is
            cells += ["–", "–"]
        cells += [row["limit"], _duration_of(max, row["copies"])]
        lines.append(f"| {row['who']} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _duration_of(of: Callable[[list[float]], float], times: list[float]) -> str:
    """Format the median or the largest of some times; a dash if there are none."""
    return duration(of(times)) if times else "–"


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
