"""The command line: measure all rows, or those whose name or family contains a word, and write the results."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks import report
from benchmarks.harness import Result, Unequal, measure
from benchmarks.timing import QUICK, Settings
from groundup.data import DownloadError
from rows.benchmark import Benchmark
from rows.registry import BENCHMARKS


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", help="measure rows whose name or family contains one of these; all if none")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--quick", action="store_true", help="a smoke run: writes nothing unless --out says where")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parser.add_argument("--threads", type=int, help="PyTorch's threads; its own choice if not given")
    parser.add_argument("--out", type=Path, help="folder of results.json and results.md (default: benchmarks/)")
    return parser.parse_args(argv)


def format_result(result: Result) -> str:
    """A row's numbers, for the terminal."""
    row = asdict(result)
    compiled = "–" if result.compiled is None else f"{result.compiled.median:.2f}"
    text = f"default {result.default.median:.3f} [{result.default.low:.3f}, {result.default.high:.3f}]"
    text += f"  reference {result.reference.median:.2f}  compiled {compiled}"
    text += f"  memory {report.memory(row)}"
    return f"{text}  peer {report.duration(result.peer_seconds)}  {report.verdict(row).strip('*')}".rstrip()


def main(argv: list[str] | None = None, rows: list[Benchmark] = BENCHMARKS) -> int:
    """Measure and write; returns 1 if a row compared two different functions."""
    options = parse_arguments(argv)
    chosen = [row for row in rows if row.matches(options.words)]
    if not chosen:
        families = ", ".join(dict.fromkeys(row.family for row in rows))
        print(f"no row's name or family contains {' or '.join(map(repr, options.words))}; families: {families}")
        return 2
    if options.list:
        print("\n".join(row.key for row in chosen))
        return 0
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    settings = QUICK if options.quick else Settings()
    folder = options.out or (None if options.quick else Path(__file__).parent)

    machine = report.environment(device)
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > 0.5 * cores and not options.quick:
        print(f"this machine is busy (load {load:.1f} on {cores} cores): the ratios will be noisy")

    results, refused, start = [], [], time.perf_counter()
    for number, row in enumerate(chosen, 1):
        print(f"[{number:2}/{len(chosen)}] {row.key}", flush=True)
        before = time.perf_counter()
        try:
            result = measure(row, device, settings)
        except Unequal as error:
            refused.append(error)
            print(f"    refused: {error}")
            continue
        except DownloadError as error:
            print(f"    left out: {error}")
            continue
        results.append(result)
        if folder is not None:  # after every row: what crashes later takes nothing with it
            report.save(folder, machine, results, rows)
        print(f"    {format_result(result)}  ({time.perf_counter() - before:.1f} s)", flush=True)

    over = sum(report.verdict(asdict(result)) == "**over**" for result in results)
    took = time.perf_counter() - start
    print(f"{len(results)} rows in {took:.0f} s, {over} over their limit, {len(refused)} refused")
    if folder is not None and results:
        print(f"written: {folder.name}/results.md")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
