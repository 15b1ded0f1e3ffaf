"""Words and tables of the benchmark's page."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import pandas as pd
from threadpoolctl import threadpool_info

from ..pages.escaping import markdown_text, styled, title_and_note
from ..storage import provenance
from .measure import CORES, gradient_work, median_run, product_rate, scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas.io.formats.style import Styler

    from ..points.study import Study
    from .sweeps import Sweep


def machine() -> str:
    """The processor, how many cores of it this process may use, and the versions of what does the arithmetic."""
    blas = ", ".join(
        sorted({f"{pool['internal_api']} {pool['version']}" for pool in threadpool_info() if pool["version"]})
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    return f"{provenance.processor()}, {CORES} cores; {packages}; {blas}"


def data_words(study: Study) -> str:
    """Data set and transformation of a study."""
    title, _ = title_and_note(study.load_data().provenance)
    return f"{title}, {study.transformation_words}"


SECONDS, TIMES, ONCE = "seconds for the sweep", "times as long as ours", "if it fits equal models once"


def shown(results: pd.DataFrame) -> Styler:
    """The table of results as a page shows it: one row for each case, C and number of threads."""
    keys = ["case", "C", "threads"]
    found = results.assign(C=results["C"].map("{:g}".format), name=results["competitor"].map(_short))
    of_ours = found.groupby(keys, sort=False)
    columns = {(SECONDS, "ours"): of_ours["ours"].first()}
    for value, head in _HEADS.items():
        for name, rows in found.groupby("name", sort=False):
            columns[head, str(name)] = rows.set_index(keys)[value]
    columns["", "worst gap"] = of_ours["worst_gap"].max()
    if "ratio_to_cpu" in found:
        columns["", "CPU / GPU"] = of_ours["ratio_to_cpu"].first()
    digits = {column: "{:.3g}" if column[0] == SECONDS else "{:.1f}" for column in columns}
    return styled(pd.DataFrame(columns), digits | {("", "worst gap"): "{:.0e}"})


_HEADS = {"theirs": SECONDS, "ratio": TIMES, "ratio, equal once": ONCE}


def _short(competitor):
    """Name of a competitor in the head of a table."""
    return competitor.removeprefix("scikit-learn ").removesuffix(", warm")


def caption(study: Study, results: pd.DataFrame) -> str:
    """What the table of results shows, in a sentence or two."""
    short = int((results["fitted"] < results["models"]).sum())
    return (
        f"*{data_words(study)}, one sample of points, seed {study.seed}. Theirs and ours: "
        f"seconds for all models of a sweep; {short} of the {len(results)} rows extrapolate from the models that were "
        f"fitted within {study.patience:g} s. newton-cholesky starts from the budget before. Worst gap: the largest "
        f"(our J - theirs) / max(J, 1). Accuracies differ by at most {results['accuracy_difference'].max():.0e}.*"
    )


def scores_table(columns: Sequence[int] = (85, 257)) -> pd.DataFrame:
    """`scores` at each number of columns, one under the other."""
    return pd.concat([scores(c) for c in columns], ignore_index=True)


def scores_shown(table: pd.DataFrame) -> Styler:
    """A table of `scores_table` as a page shows it, without the versions, which its caption has."""
    digits = {"seconds": "{:.2g}", "ratio": "{:.1f}", "largest relative difference": "{:.0e}"}
    return styled(table.drop(columns="versions"), digits).hide(axis="index")


def scores_caption(table: pd.DataFrame) -> str:
    """Which versions the others in a table of `scores_table` had, as a line of Markdown."""
    versions = sorted(set(table["versions"]) - {""})
    others = f" pyDVL's environment: {'; '.join(map(markdown_text, versions))}." if versions else ""
    return f"*Seconds for all points, one thread; ratio to the closed form.{others}*"


def roofline(sweep: Sweep) -> str:
    """The measured time of a sweep beside the time that its gradients' matrix products alone would take: a sentence."""
    seconds, rate, work = (
        median_run(sweep, "numpy", 1, True, 3).seconds.sum(),
        product_rate(),
        gradient_work(sweep),
    )
    return (
        f"Products of float32 matrices run at {rate / 1e9:.0f} GFLOP/s here, one thread. The steps' gradients are "
        f"{work / 1e9:.2f} GFLOP, {work / rate:.3f} s at that rate; the sweep takes {seconds:.3f} s, so "
        f"{work / rate / seconds:.0%} of it is the floor. The rest goes into Hessians, certificates and the overhead "
        f"of some hundred steps."
    )
