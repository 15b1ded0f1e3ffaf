"""The project's command line, ``influaug COMMAND ...``; without the script, ``python -m studies COMMAND ...``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": ("studies.commands.run", "run one notebook with a file of parameters"),
    "batch": ("studies.commands.batch", "run every notebook of some studies"),
    "verify": ("studies.commands.verify", "run a committed study again from scratch and compare"),
    "index": ("studies.front.index", "write the index page of the outputs folder"),
    "sets": ("studies.copies.study", "compute the tables of studies of sets, without their pages"),
    "own": ("studies.commands.own", "compute the page on your own data, with the minutes to come"),
    "compare": ("studies.learned.results", "compute replicates of a comparison of augmentations"),
    "retrain": ("studies.retrained_sets.results", "compute replicates of a study of networks trained anew"),
    "factorial": ("studies.factorial.results", "compute a factorial of the released code's differences"),
    "rekey": ("studies.commands.rekey", "give results that were kept under former keys today's"),
    "audit": ("studies.commands.audit", "compare what is installed with the lock"),
}
"""Module and purpose of each command; the module's `main` takes the arguments after the command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of `COMMANDS`; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = (given or [""])[0], given[1:]
    if command not in COMMANDS:
        said = sys.stdout if command in ("-h", "--help", "help") else sys.stderr
        said.write("usage: influaug COMMAND ...; influaug COMMAND --help says more\n\n")
        said.writelines(f"  {name:9} {purpose}\n" for name, (_, purpose) in COMMANDS.items())
        return 0 if said is sys.stdout else 2
    try:
        # Imported only when needed: some modules take seconds to import.
        module = import_module(COMMANDS[command][0])
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if missing.partition(".")[0] in ("influaug", "studies"):
            raise
        sys.stderr.write(f"influaug {command} needs {missing}, which is not installed: install influaug[studies].\n")
        return 1
    return module.main(rest)


if __name__ == "__main__":
    sys.exit(main())
