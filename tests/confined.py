"""Readers in a child process with little memory and time: ``python confined.py MODULE FUNCTION < calls > answers``.

The child imports the function, allows itself `MEMORY` bytes and `SECONDS` of computing more than that took, and makes
one call for each line of its input, a list of arguments.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
from operator import attrgetter
from pathlib import Path
from time import perf_counter

import influaug

LIBRARY = str(Path(influaug.__file__).parents[1])
MEMORY, SECONDS = 1_500_000_000, 60


def answers(function, calls):
    """What each call gave: kind (the error's name or 'none'), message, seconds and bytes at the highest, in order."""
    module, _, name = function.partition(":")
    program = [sys.executable, __file__, module, name]
    environment = os.environ | {"PYTHONPATH": LIBRARY}
    given = "".join(json.dumps(list(map(str, call))) + "\n" for call in calls)
    done = subprocess.run(program, input=given, capture_output=True, text=True, timeout=200, env=environment)
    lines = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert len(lines) == len(calls), f"it ended ({done.returncode}) at {calls[len(lines)]}: {done.stderr[-2000:]}"
    return lines


def status(name):
    """A number of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def main(module, name):
    found = attrgetter(name)(importlib.import_module(module))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS
    resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    for line in sys.stdin:
        answer = called(found, json.loads(line))
        os.write(1, f"\nANSWER {json.dumps(answer)}\n".encode())


def called(function, arguments):
    before, started = status("VmRSS"), perf_counter()
    Path("/proc/self/clear_refs").write_text("5")  # the highest is from here on
    try:
        function(*arguments)
        kind, message = "none", ""
    except Exception as error:
        kind, message = type(error).__name__, str(error)
    return {
        "kind": kind,
        "message": message,
        "seconds": perf_counter() - started,
        "bytes": status("VmHWM") - before,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
