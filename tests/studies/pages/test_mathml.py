"""Formulas as MathML, where latex2mathml alone would set them wrong."""

import pytest
from bs4 import BeautifulSoup

from studies.pages.mathml import mathml


def bars(tex):
    return BeautifulSoup(mathml(tex, "block"), "html.parser").find_all("mo", string=["|", "‖"])


@pytest.mark.parametrize("tex", [r"\lvert z_i \rvert = 1", r"\lVert W \rVert^2", "|x| + 1"])
def test_bars_around_an_expression_are_of_one_height_and_close_to_it(tex):
    assert [bar["stretchy"] for bar in bars(tex)] == ["false", "false"]
    assert {bar[side] for bar in bars(tex) for side in ("lspace", "rspace")} == {"0"}


def test_bars_that_are_to_grow_do():
    assert [bar["stretchy"] for bar in bars(r"\left| \frac{x}{2} \right|")] == ["true", "true"]
