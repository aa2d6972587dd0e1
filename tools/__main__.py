"""The developers' command, which make's targets call: generated pages, results of the examples, pictures, mutants.

    python -m tools pages              write the generated parts of README, docs/ and examples/README.md
    python -m tools pages --check      say which of them are out of date
    python -m tools results [WORD...]  run the examples that have no result yet, or the rows that contain a word
    python -m tools pictures [NAME...] draw README's pictures by running the examples; --smoke: with a few steps
    python -m tools mutants [WORD...]  change the source in small ways and show that the suite notices each change

`tools/set_up.py`, which creates .venv, is separate: it runs before anything is installed.
"""

import argparse
import sys
from importlib import import_module


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pages").add_argument("--check", action="store_true")
    commands.add_parser("results").add_argument("words", nargs="*")
    pictures = commands.add_parser("pictures")
    pictures.add_argument("names", nargs="*")
    pictures.add_argument("--smoke", action="store_true")
    commands.add_parser("mutants").add_argument("words", nargs="*")
    options = vars(parser.parse_args())
    # Imported when called: the mutants must start from a process that has not imported groundup.
    return import_module(f"tools.{options.pop('command')}").main(**options) or 0


if __name__ == "__main__":
    sys.exit(main())
