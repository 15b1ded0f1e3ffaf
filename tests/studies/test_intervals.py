import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.intervals import FEWEST, HARM, NO_NEED, NOT_REACHED, OPEN, REACHED, TOO_FEW, enough

MARGIN = 0.1


def gaps(*rows):
    """Gaps at the budgets 1, 2, ...: pairs of mean and half width."""
    return pd.DataFrame(rows, columns=["mean", "half_width"], index=range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("found", "gain", "budget", "word"),
    [
        (gaps((0.5, 0.1), (0.05, 0.04), (0.0, 0.0)), (2.0, 0.3, 16), 2, REACHED),
        (gaps((0.05, 0.2), (0.0, 0.05)), (2.0, 0.3, 16), 2, REACHED),
        (gaps((-0.5, 0.1), (0.2, 0.3)), (2.0, 0.3, 16), 1, REACHED),
        (gaps((0.5, 0.1), (0.05, 0.2)), (2.0, 0.3, 16), None, OPEN),
        (gaps((0.5, 0.1), (0.4, 0.2)), (2.0, 0.3, 16), None, NOT_REACHED),
        (gaps((0.0, 0.0)), (-1.12, 0.28, 16), None, HARM),
        (gaps((0.0, 0.0)), (0.02, 0.05, 16), None, NO_NEED),
        (gaps((0.0, 0.0)), (-0.02, 0.05, 16), None, NO_NEED),
        (gaps((0.0, 0.0)), (2.0, 0.3, 4), None, TOO_FEW),
        (gaps((0.0, np.nan)), (2.0, 0.3, 16), None, OPEN),
    ],
)
def test_a_budget_is_enough_where_the_interval_says_so(found, gain, budget, word):
    verdict = enough(found, gain, MARGIN)
    assert verdict.word == word
    assert verdict.budget == budget if budget else np.isnan(verdict.budget)


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(0, 1)), min_size=1, max_size=6),
    st.tuples(st.floats(-2, 2), st.floats(0, 1), st.integers(2, 9)),
    st.floats(0, 1),
)
def test_wider_intervals_never_show_more(rows, gain, more):
    mean, half, n = gain
    plain = enough(gaps(*rows), gain, MARGIN)
    wider = enough(gaps(*((m, h + more) for m, h in rows)), (mean, half + more, n), MARGIN)
    if n < FEWEST:
        assert plain.word == wider.word == TOO_FEW
    if wider.word in (HARM, NO_NEED):
        assert plain.word in (HARM, NO_NEED)
    if wider.word == REACHED:
        assert plain.word in (HARM, NO_NEED) or plain.budget <= wider.budget
