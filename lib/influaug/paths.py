"""The one place that knows where things are."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PARAMS = PROJECT / "params"
PUBLISHED = PARAMS / "published"
NOTEBOOKS = PROJECT / "notebooks"


def outputs():
    """The folder of all outputs: INFLUAUG_OUTPUTS if set, else outputs/ in the project."""
    return Path(os.environ.get("INFLUAUG_OUTPUTS") or PROJECT / "outputs")
