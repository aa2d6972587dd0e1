"""Write the generated parts of README and docs/; with --check say whether they are stale.

They come from what was measured (docs/parity.json by `make parity`, benchmarks/results.json by `make bench`, the table
of examples/README.md) and from the catalogue.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from results import cells
from targets import bench as bench_reached
from targets import count, saving
from targets import examples as examples_reached

from groundup.catalogue import COMPONENTS, Component, by_family

ROOT = Path(__file__).parents[1]
PARITY: dict[str, Any] = json.loads((ROOT / "docs" / "parity.json").read_text(encoding="utf-8"))
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


def table(head: str, *rows: list[str]) -> str:
    """A table of Markdown; `head` names its columns, a colon after a name puts numbers to the right."""
    names = [name.strip() for name in head.split("|")]
    rule = ["---:" if name.endswith(":") else "---" for name in names]
    lines = [[name.removesuffix(":") for name in names], rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |" for cells in lines)


# ---- components and their errors -----------------------------------------------------------------------------------


def link(component: Component, up: str = "") -> str:
    path = "src/groundup/" + component.source.as_posix().split("/groundup/")[-1]
    return f"[`{component.name}`]({up}{path})"


def error(names: list[str], dtype: str) -> float | None:
    """The largest error of all these components' parts; None if none was compared in this dtype."""
    rows = [PARITY["components"].get(name, {}).get(dtype, {}) for name in names]
    return max((value for row in rows for part, value in row.items() if part != "cases"), default=None)


def number(value: float | None) -> str:
    return "–" if value is None else "equal" if value == 0 else f"{value:.0e}".replace("e-0", "e-")


def errors(*names: str) -> list[str]:
    return [number(error(list(names), dtype)) for dtype in DTYPES]


def cases(name: str) -> int:
    return sum(row["cases"] for dtype, row in PARITY["components"].get(name, {}).items() if dtype in DTYPES)


def measured(name: str) -> list[str]:
    return [str(cases(name) or "–"), *errors(name)]


def families() -> str:
    """The largest errors of each family."""
    rows = [[title, str(len(row)), *errors(*(c.name for c in row))] for title, row in by_family().items()]
    return table("family | components: | float64: | float32:", *rows)


def parity() -> str:
    names = [c.name for c in COMPONENTS]
    compared = [name for name in names if cases(name)]
    worst = [max(compared, key=lambda name, d=dtype: error([name], d) or 0.0) for dtype in DTYPES]
    sizes = [f"{number(error([name], dtype))} in {dtype} (`{name}`)" for name, dtype in zip(worst, DTYPES)]
    return (
        f"{sum(map(cases, names)):,} tests compare {len(compared)} of the {len(names)} components with an oracle (the\n"
        f"other one is the abstract base `Optimizer`). The largest differences: {' and '.join(sizes)}."
    )


def components() -> str:
    """docs/components.md's tables."""
    lines = []
    head = " | component | | paper | proven equal to | tests: | float64: | float32:"
    for title, rows in by_family().items():
        cells = [
            [str(c.number), link(c, "../"), c.summary, f"[{c.paper}]({c.url})", c.oracle, *measured(c.name)]
            for c in rows
        ]
        lines += [f"## {title}", "", table(head, *cells), ""]
    functions = sorted(name for name in PARITY["components"] if name.startswith("functional."))
    cells = [[f"`{name}`", *measured(name)] for name in functions]
    return "\n".join([*lines, "## Functions", "", table("function | tests: | float64: | float32:", *cells)])


# ---- speed and results ---------------------------------------------------------------------------------------------


def interval(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def machine() -> dict[str, Any]:
    """The bench's machine that was measured last."""
    machines = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    return max(machines, key=lambda m: (max(row["date"] for row in m["rows"].values()), len(m["rows"])))


def speed() -> str:
    """How many rows are faster, how many slower than their limit, on the machine measured last."""
    rows, facts = machine()["rows"].values(), machine()["machine"]
    faster = sum(row["default"]["high"] < 1 for row in rows)
    slower = sum(row["default"]["low"] > row["limit"] for row in rows)
    return (
        f"{faster} of {len(rows)} rows are significantly faster than their peer, {slower} significantly slower than "
        f"their limit; the median is\n{median(row['default']['median'] for row in rows):.2f} of the peer's time "
        f"({facts['processor']}, {facts['threads']} threads, PyTorch {facts['torch']})."
    )


def speed_in_detail() -> str:
    """The median of every family, and the rows where groundup loses most."""
    rows = sorted(machine()["rows"].values(), key=lambda row: -row["default"]["median"])
    ratios: dict[str, list[float]] = {}
    for row in rows:
        ratios.setdefault(row["family"], []).append(row["default"]["median"])
    families = [[family, str(len(of)), f"{median(of):.2f}"] for family, of in sorted(ratios.items())]
    alike = sum(abs(row["default"]["median"] - 1) <= 0.05 for row in rows)
    worst = [
        [row["name"], row["work"], f"`{row['against']}`", interval(row["default"]), f"{row['reference']['median']:.2f}"]
        for row in rows[:10]
    ]
    return "\n\n".join(
        (
            speed(),
            f"{alike} rows lie within 0.05 of 1: most of them call the same kernel of PyTorch on either side.",
            table("family | rows: | median:", *families),
            "The ten slowest:",
            table("row | work | peer | default ÷ peer: | definition ÷ peer:", *worst),
        )
    )


def results() -> str:
    """The rows of examples/README.md that `RESULTS` names."""
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    rows, example = {}, ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| ") or len(cells) != 6 or cells[0] in ("example", "---"):
            continue
        example = cells[0].split("(")[-1].rstrip(")") if cells[0] else example
        rows[example, cells[1]] = cells[2:]
    chosen = []
    for path, word in RESULTS:
        found = [(c, cells) for (e, c), cells in rows.items() if e == path and (word in c if word else path in c)]
        if not found:
            raise ValueError(
                f"examples/README.md has no row of {path} with {word!r}; correct RESULTS in tools/readme.py"
            )
        data, result, _, paper = found[0][1]
        chosen.append([f"[{path.split('/')[-1]}](../examples/{path})", data, result, paper])
    return table("example | data | result, held out | published", *chosen)


def targets() -> str:
    """docs/targets.md: of the examples, and of the bench's machine measured last."""
    rows = json.loads((ROOT / "examples" / "results.json").read_text(encoding="utf-8"))
    reached = examples_reached(rows, [cells(row, False)[3] for row in rows])
    saved = json.loads((ROOT / "benchmarks" / "saving.json").read_text(encoding="utf-8"))
    timed = [*bench_reached(machine()), *saving(saved)]
    return "\n\n".join(
        (
            count(reached, timed),
            table("example | command | aim | measured: | ", *reached),
            "Over the time or the memory of what one would use instead:",
            table("row | work | peer | aim | measured: | ", *timed),
        )
    )


# ---- pages -----------------------------------------------------------------------------------------------------------

PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"parity": parity, "speed": speed},
    "docs/proof.md": {"parity": parity, "families": families, "results": results},
    "docs/speed.md": {"speed": speed_in_detail},
    "docs/components.md": {"components": components},
    "docs/targets.md": {"targets": targets},
}


def generated(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """`text` with the part between each pair of markers replaced."""
    for name, make in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        head, rest = text.split(start)
        _, tail = rest.split(end)
        text = f"{head}{start}\n{make().strip()}\n{end}{tail}"
    return text


def main() -> None:
    for page, parts in PAGES.items():
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        fresh = generated(text, parts)
        if sys.argv[1:] == ["--check"]:
            if text != fresh:
                sys.exit(f"{page} is stale: run `make pages` and commit it")
        else:
            path.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
