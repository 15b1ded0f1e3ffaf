"""Run commands with their outputs on a small disk of its own that is full, or read-only; say as JSON how each ended.

Is to be started in a mount namespace of its own (unshare): the disk is seen by this process and its children alone.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path

from influaug.errors import InputError
from influaug.files import sealed
from studies.storage import artifacts

CHUNK = 4096
READ = {".npz": artifacts.read_manifest, ".parquet": artifacts.read_table, ".json": sealed.read_json}


def mount(folder, options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def fill(folder, room):
    """Leave so many bytes."""
    with suppress(OSError), (folder / "filled").open("wb", buffering=0) as file:
        while file.write(bytes(CHUNK)):
            pass
    if room:
        os.truncate(folder / "filled", (folder / "filled").stat().st_size - room)


def ended(module, arguments):
    """Exit status of a command's main function, and the lines that it said, without bars of progress."""
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        status = import_module(module).main(arguments)
    lines = re.sub(r"\x1b\[A|\r", "\n", said.getvalue()).splitlines()
    return {"status": status, "said": [line for line in lines if line.strip() and "%|" not in line]}


def half_written(folder):
    """Files that are neither there as a whole nor not at all; Snakemake's own notes are not results."""
    wrong = [path.name for path in folder.rglob(".*") if path.name not in (".made", ".batch.lock", ".snakemake")]
    for suffix, read in READ.items():
        for path in folder.rglob(f"*{suffix}"):
            try:
                read(path)
            except InputError:
                wrong.append(path.name)
    return wrong


kind, folder, source, *commands = sys.argv[1:]
folder = Path(folder)
mount(folder, "size=16m")
os.environ["INFLUAUG_OUTPUTS"] = str(folder)
shutil.copytree(Path(source) / "tiny" / "features", folder / "tiny" / "features")
(folder / "sets").mkdir()
if kind == "read-only":
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
else:
    fill(folder, int(kind))
found = [ended(command.split()[0], command.split()[1:]) for command in commands]
sys.stdout.write(json.dumps({"ended": found, "half": half_written(folder)}) + "\n")
