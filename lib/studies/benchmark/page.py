"""Words and tables of the benchmark's page."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import pandas as pd
from threadpoolctl import threadpool_info

from ..pages.escaping import styled, title_and_note
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


def shown(results: pd.DataFrame) -> Styler:
    """The table of results as a page shows it."""
    digits = {column: "{:.3g}" for column in results.columns if column.startswith(("theirs", "ours"))}
    digits |= {column: "{:.1f}" for column in results.columns if column.startswith("ratio")}
    digits |= {"C": "{:g}", "worst_gap": "{:.0e}", "accuracy_difference": "{:.0e}"}
    return styled(results, digits).hide(axis="index")


def caption(study: Study, results: pd.DataFrame) -> str:
    """What the table of results shows, in a sentence or two."""
    short = int((results["fitted"] < results["models"]).sum())
    return (
        f"*{data_words(study)}, one sample of points, seed {study.seed}. Theirs and ours: "
        f"seconds for all models of a sweep; {short} of the {len(results)} rows extrapolate from the models that were "
        f"fitted within {study.patience:g} s. Worst gap: the largest (our J - theirs) / max(J, 1).*"
    )


def scores_shown(columns: Sequence[int] = (85, 257)) -> Styler:
    """The table of `scores` at each number of columns, as a page shows it."""
    table = pd.concat([scores(c) for c in columns], ignore_index=True)
    digits = {"seconds": "{:.2g}", "ratio": "{:.1f}", "largest relative difference": "{:.0e}"}
    return styled(table, digits).hide(axis="index")


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
