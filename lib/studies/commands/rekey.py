"""Replace keys of the former scheme by today's keys: ``influaug rekey``.

Until the commit before this module, keys contained hashes of source files. A result gets its new key only if everything
that it depends on is unchanged: today's parameters, data, seeds and upstream keys, with the code of that commit
(`CODE`), must give its former key. The first version of every stage gives the numbers of that code
(tests/canaries.json). Rows, numbers and networks do not change. Results of older code keep their keys, are listed, and
must be computed again.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from influaug.files import sealed

from ..copies import study as set_study
from ..copies.study import SetStudy
from ..learned import results as comparison
from ..learned.ablations import ABLATIONS
from ..learned.parameters import Comparison
from ..points import stages
from ..points.study import Study
from ..storage import artifacts, paths
from ..storage.keys import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from ..parameters import Experiment

CODE = {
    "features": "8716e48fdf1bc562",
    "shared features": "8716e48fdf1bc562",
    "scores": "8306721ca5d44cb6",
    "sweep": "f893e45e2feba3ed",
    "retrained sweep": "117a2fa589de67ec",
    "support vectors": "6ed5d9d9ca50c910",
    "sets": "aaee933af624bfce",
    "learned ranges": "43eca21d95ee2c56",
    "learned networks": "b97b29f28ac210af",
    "learned networks in series": "1f98414b74176d35",
}
"""The last hashes of code in former keys, by stage."""


def _former(stage: Stage, experiment: Experiment, **depends_on: Any) -> str:
    """Key of a stage under the former scheme, with the parameters of `Stage.key`."""
    parameters = experiment.deciding(*stage.decided_by)
    if isinstance(experiment, SetStudy):
        parameters |= {"study": experiment.study}
    in_series = depends_on.get("arm") in ABLATIONS and ABLATIONS[depends_on["arm"]].series
    code = CODE[stage.name + (" in series" if in_series else "")]
    return sealed.key(parameters=parameters, code=code, **depends_on)


@contextmanager
def _former_scheme() -> Iterator[None]:
    """Let `Stage.key` give keys of the former scheme during the block; both schemes depend on the same inputs."""
    kept = Stage.key
    Stage.key = _former  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Stage.key = kept  # type: ignore[method-assign]


def _of_study(study: Study) -> dict[Path, str]:
    dataset, folder = study.load_data(), study.folder
    upstream = stages.upstream(study, dataset)
    found = {
        folder / "sweep.parquet": stages.sweep_key(study, dataset),
        folder / "vsv.parquet": stages.SUPPORT_VECTORS.key(study, **stages.upstream(study, dataset, "vsv")),
        folder / "scores.parquet": stages.SCORES.key(study, **upstream),
    }
    if study.trained_network:
        return found | {folder / study.feature_files[0]: sealed.key(**upstream)}
    keys = [stages.features_key(study, dataset, r) for r in range(study.replicates)]
    return found | {folder / file: key for file, key in zip(study.feature_files, keys, strict=True)}


def _of_sets(study: SetStudy) -> dict[Path, str]:
    base, folder = study.base(), study.folder
    dataset = base.load_data()
    keys = [set_study.replicate_key(study, base, dataset, r) for r in range(base.replicates)]
    found = {folder / "replicates" / f"replicate-{r:02d}.parquet": key for r, key in enumerate(keys)}
    return found | {folder / "sets.parquet": sealed.key(replicates=keys)}


def _of_comparison(chosen: Comparison) -> dict[Path, str]:
    found = {}
    for replicate in range(chosen.replicates):
        points, folder = chosen.split(replicate), chosen.folder / f"replicate-{replicate:02d}"
        for path in sorted(folder.glob("*.json")):
            arm = path.stem.removeprefix("learned-")
            found[path] = comparison.arm_key(chosen, replicate, arm, points)
    return found


KEYS_OF: dict[type[Experiment], Any] = {
    Study: _of_study,
    SetStudy: _of_sets,
    Comparison: _of_comparison,
}
"""Functions that list paths and keys of an experiment's results, for each kind that stores results under keys."""


def rekey(experiment: Experiment) -> dict[str, list[Path]]:
    """Give the results of one experiment today's keys.

    Returns
    -------
    dict
        Paths by outcome: ``rekeyed``, ``current`` (they had today's key) and ``other`` (unchanged, because something
        that they depend on has changed).

    Raises
    ------
    InputError
        The data are missing, or a result is damaged.
    """
    keys_of = KEYS_OF[type(experiment)]
    with _former_scheme():
        former = keys_of(experiment)
    outcome: dict[str, list[Path]] = {"rekeyed": [], "current": [], "other": []}
    for path, key in keys_of(experiment).items():
        if path.exists():
            has = artifacts.key_of(path)
            outcome["current" if has == key else "rekeyed" if has == former[path] else "other"].append(path)
            if has == former[path] != key:
                artifacts.replace_key(path, key)
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Re-key all results in the outputs folder, report those left unchanged, and return the exit status."""
    argparse.ArgumentParser(prog="influaug rekey", description=__doc__.splitlines()[0]).parse_args(arguments)
    for model in KEYS_OF:
        for file in sorted((paths.PARAMS / model.kind).glob("*.yaml")):
            found = rekey(model.read(file))
            counted = ", ".join(f"{len(files)} {what}" for what, files in found.items())
            sys.stdout.write(f"{file.stem}: {counted}{''.join(f'; {path.name}' for path in found['other'])}\n")
    return 0
