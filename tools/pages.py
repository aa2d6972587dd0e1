"""Write the generated parts of README, docs/ and examples/README.md, or say which of them are out of date.

They come from what was measured (docs/parity.json by `make parity`, benchmarks/results.json by `make bench`,
examples/results.json by `make results`) and from the list of components.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from groundup.component import Component, all_components, by_family
from tools import results, targets

ROOT = Path(__file__).parents[1]
DTYPES = ("float64", "float32")
#: The results of docs/proof.md: (example, a word of its command, or "" for the plain one).
RESULTS = (
    ("convolutional/digits_lenet.py", "mnist"),
    ("graph/cora.py", "--seeds 100"),
    ("graph/graph_classification.py", "MUTAG"),
    ("transformer/char_gpt.py", "--recipe public"),
    ("recurrent/echo_state_mackey_glass.py", ""),
    ("energy_based/hopfield_capacity.py", ""),
    ("shallow/binary_classification.py", ""),
    ("attention/recurrent_attention_digits.py", ""),
)


def read_json(path: str) -> Any:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def table(head: str, *rows: list[str]) -> str:
    """A table of Markdown; `head` names its columns, a colon after a name aligns numbers to the right."""
    names = [name.strip() for name in head.split("|")]
    rule = ["---:" if name.endswith(":") else "---" for name in names]
    lines = [[name.removesuffix(":") for name in names], rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |" for cells in lines)


# ---- components and their errors -----------------------------------------------------------------------------------

PARITY: dict[str, Any] = read_json("docs/parity.json")


def link(component: Component) -> str:
    path = "src/groundup/" + component.source.as_posix().split("/groundup/")[-1]
    return f"[`{component.name}`](../{path})"


def largest_error(names: list[str], dtype: str) -> float | None:
    """The largest error of all these components' parts; None if none was compared in this dtype."""
    rows = [PARITY["components"].get(name, {}).get(dtype, {}) for name in names]
    return max((value for row in rows for part, value in row.items() if part != "cases"), default=None)


def format_error(names: list[str], dtype: str) -> str:
    value = largest_error(names, dtype)
    return "–" if value is None else "equal" if value == 0 else f"{value:.0e}".replace("e-0", "e-")


def errors(*names: str) -> list[str]:
    return [format_error(list(names), dtype) for dtype in DTYPES]


def count_cases(name: str) -> int:
    return sum(row["cases"] for dtype, row in PARITY["components"].get(name, {}).items() if dtype in DTYPES)


def measurements(name: str) -> list[str]:
    return [str(count_cases(name) or "–"), *errors(name)]


def families() -> str:
    """The largest errors of each family."""
    rows = [[title, str(len(row)), *errors(*(c.name for c in row))] for title, row in by_family().items()]
    return table("family | components: | float64: | float32:", *rows)


def parity() -> str:
    names = [c.name for c in all_components()]
    compared = [name for name in names if count_cases(name)]
    worst = [max(compared, key=lambda name, d=dtype: largest_error([name], d) or 0.0) for dtype in DTYPES]
    sizes = [f"{format_error([name], dtype)} in {dtype} (`{name}`)" for name, dtype in zip(worst, DTYPES)]
    return (
        f"{sum(map(count_cases, names)):,} tests compare {len(compared)} of the {len(names)} components with an oracle "
        f"(the\nother one is the abstract base `Optimizer`). The largest differences: {' and '.join(sizes)}."
    )


def components() -> str:
    """The tables of docs/components.md."""
    lines = []
    head = " | component | | paper | proven equal to | tests: | float64: | float32:"
    for title, rows in by_family().items():
        cells = [
            [str(c.number), link(c), c.summary, f"[{c.paper}]({c.url})", c.oracle, *measurements(c.name)] for c in rows
        ]
        lines += [f"## {title}", "", table(head, *cells), ""]
    functions = sorted(name for name in PARITY["components"] if name.startswith("functional."))
    cells = [[f"`{name}`", *measurements(name)] for name in functions]
    return "\n".join([*lines, "## Functions", "", table("function | tests: | float64: | float32:", *cells)])


# ---- speed and results ---------------------------------------------------------------------------------------------


def format_interval(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def latest_machine() -> dict[str, Any]:
    """The machine on which the benchmarks were run last."""
    machines = read_json("benchmarks/results.json")
    return max(machines, key=lambda m: (max(row["date"] for row in m["rows"].values()), len(m["rows"])))


def speed() -> str:
    """Count the rows that are faster than their peer and slower than their limit, on the machine measured last."""
    rows, facts = latest_machine()["rows"].values(), latest_machine()["machine"]
    faster = sum(row["default"]["high"] < 1 for row in rows)
    slower = sum(row["default"]["low"] > row["limit"] for row in rows)
    return (
        f"{faster} of {len(rows)} rows are significantly faster than their peer, {slower} significantly slower than "
        f"their limit; the median is\n{median(row['default']['median'] for row in rows):.2f} of the peer's time "
        f"({facts['processor']}, {facts['threads']} threads, PyTorch {facts['torch']})."
    )


def speed_in_detail() -> str:
    """The median of every family, and the rows where groundup is slowest against its peer."""
    rows = sorted(latest_machine()["rows"].values(), key=lambda row: -row["default"]["median"])
    ratios: dict[str, list[float]] = {}
    for row in rows:
        ratios.setdefault(row["family"], []).append(row["default"]["median"])
    medians = [[family, str(len(of)), f"{median(of):.2f}"] for family, of in sorted(ratios.items())]
    alike = sum(abs(row["default"]["median"] - 1) <= 0.05 for row in rows)
    slowest = [
        [
            *(row["name"], row["work"], f"`{row['against']}`"),
            *(format_interval(row["default"]), f"{row['reference']['median']:.2f}"),
        ]
        for row in rows[:10]
    ]
    return "\n\n".join(
        (
            speed(),
            f"{alike} rows are within 0.05 of 1: most of them call the same kernel of PyTorch on both sides.",
            table("family | rows: | median:", *medians),
            "The ten slowest:",
            table("row | work | peer | default ÷ peer: | definition ÷ peer:", *slowest),
        )
    )


def selected_results() -> str:
    """The rows of examples/results.json that `RESULTS` names."""
    rows = results.read_rows()
    selected = []
    for path, word in RESULTS:
        found = [row for row in rows if row["example"] == path and (word or path) in row["command"]]
        if not found:
            raise ValueError(
                f"examples/results.json has no row of {path} with {word!r}; correct RESULTS in tools/pages.py"
            )
        _, _, data, result, _, paper = results.cells(found[0])
        selected.append([f"[{path.split('/')[-1]}](../examples/{path})", data, result, paper])
    return table("example | data | result, held out | published", *selected)


def aims() -> str:
    """The tables of docs/targets.md: of the examples, and of the machine benchmarked last."""
    examples = targets.compare_examples(results.read_rows())
    timed = [
        *targets.compare_benchmarks(latest_machine()),
        *targets.compare_checkpointing(read_json("benchmarks/saving.json")),
    ]
    return "\n\n".join(
        (
            targets.count(examples, timed),
            table("example | command | aim | measured: | ", *examples),
            "Time or memory, relative to what one would use instead:",
            table("row | work | peer | aim | measured: | ", *timed),
        )
    )


# ---- pages -----------------------------------------------------------------------------------------------------------

PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"parity": parity, "speed": speed},
    "docs/proof.md": {"parity": parity, "families": families, "results": selected_results},
    "docs/speed.md": {"speed": speed_in_detail},
    "docs/components.md": {"components": components},
    "docs/targets.md": {"targets": aims},
    "examples/README.md": {"results": results.markdown},
}


def replace_parts(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """`text` with the part between each pair of markers replaced."""
    for name, make in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        head, rest = text.split(start)
        _, tail = rest.split(end)
        text = f"{head}{start}\n{make().strip()}\n{end}{tail}"
    return text


def main(check: bool = False) -> None:
    for page, parts in PAGES.items():
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        fresh = replace_parts(text, parts)
        if not check:
            path.write_text(fresh, encoding="utf-8")
        elif text != fresh:
            sys.exit(f"{page} is out of date: run `make pages` and commit it")
