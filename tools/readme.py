"""Write README's generated parts anew, or with --check say whether they are stale."""

import sys
from pathlib import Path

from groundup.catalogue import COMPONENTS, markdown

README = Path(__file__).parents[1] / "README.md"
PARTS = {"catalogue": markdown, "count": lambda: f"{len(COMPONENTS)} of 123 components stand so far."}


def generated(text: str) -> str:
    """`text` with what lies between each pair of markers written anew."""
    for name, make in PARTS.items():
        start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        head, rest = text.split(start)
        _, tail = rest.split(end)
        text = f"{head}{start}\n{make().strip()}\n{end}{tail}"
    return text


def main() -> None:
    text = README.read_text()
    fresh = generated(text)
    if sys.argv[1:] == ["--check"]:
        if text != fresh:
            sys.exit("README.md is stale: run `make catalogue` and commit it")
    else:
        README.write_text(fresh)


if __name__ == "__main__":
    main()
