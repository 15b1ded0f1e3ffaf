"""TeX formulas as MathML, which browsers show without any script."""

from __future__ import annotations

import html
import re
from itertools import pairwise
from xml.etree import ElementTree

from latex2mathml.converter import Converter

# Commands that latex2mathml does not know, or sets as a letter although they are operators.
SPELLINGS = (
    (re.compile(r"\\operatorname\*?\{\s*arg\s*(?:\\[,; ])?\s*(min|max)\s*\}|\\arg\s*\\(min|max)"), r"\\arg\1\2 "),
    (re.compile(r"\{(?:aligned|align\*?|gather(?:ed|\*)?|eqnarray\*?)\}"), "{split}"),
    (re.compile(r"\\mathbb\{1\}"), "𝟙"),
)
OPERATORS = {"~": "∼"} | {sign: sign for sign in "±⟂⟨⟩⌈⌉⌊⌋‖⧵⟺⟹"}
BARS = ("|", "‖")
CLOSING = (")", "]", "}", "|", "‖", "⟩", "⌉", "⌋", "!")
LIMITS = ("min", "max", "inf", "sup", "lim", "arg\u2009min", "arg\u2009max")


def _polish(formula, display):
    """Correct latex2mathml's output in place: letters for operators, uneven bars, limits beside signs, binary signs."""
    for part in formula.iter():
        part.text = html.unescape(part.text or "")
        if part.tag == "mi" and part.text in OPERATORS:
            part.tag, part.text = "mo", OPERATORS[part.text]
        elif part.tag == "mo" and part.text in BARS and part.get("stretchy") != "true":
            part.attrib.update(stretchy="false", lspace="0", rspace="0")
        elif part.tag == "mi" and len(part.text) > 1 and part.text.isalpha():
            part.set("class", "function")
    for part in formula.iter():
        if part.tag == "msub" and display == "block" and part[0].text in LIMITS:
            part.tag = "munder"
        for before, sign in pairwise(part):
            if sign.text in ("−", "+") and before.tag == "mo" and before.text not in CLOSING:
                sign.set("form", "prefix")


def mathml(tex: str, display: str) -> str:
    """Convert a TeX formula to MathML; a formula that cannot be converted is shown as marked source.

    Parameters
    ----------
    tex : str
        The formula without dollar signs.
    display : {"inline", "block"}

    Returns
    -------
    str
    """
    for pattern, spelling in SPELLINGS:
        tex = pattern.sub(spelling, tex)
    try:
        formula = Converter(display=display).convert_to_element(tex)
        if any((part.text or "").startswith("\\") for part in formula.iter()):
            raise ValueError("unknown command")
        del formula.attrib["xmlns"]  # HTML needs none, and XML tools would write it back as a prefix
        _polish(formula, display)
        return ElementTree.tostring(formula, encoding="unicode")
    except Exception:  # latex2mathml raises bare Exceptions of its own, StopIteration, IndexError and RecursionError
        return f'<code class="tex">{html.escape(tex)}</code>'
