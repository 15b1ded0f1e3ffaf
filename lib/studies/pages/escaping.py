"""Text from outside (names of files, folders, classes and studies) shown as it is, in Markdown and in HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd
    from pandas.io.formats.style import Styler

SPECIAL = re.compile(r'[\\`*_\[\]<>|~^=$&"@#]|://|www\.|^[-+:]|^\d+(?=[.)])', re.IGNORECASE)
"""What begins or ends emphasis, code, links, HTML, formulas, tables, headings or lists, and addresses made links."""


def markdown_text(text: str) -> str:
    """Markdown that is shown as a given text: on one line, without markup, links, formulas and HTML.

    Special characters become character references, which neither Markdown nor HTML takes for markup, between tags and
    in quoted attributes alike.

    Parameters
    ----------
    text : str
        A name, title, error or sentence. White space becomes single spaces, and what cannot be printed (control
        characters, changes of direction, halves of characters) the replacement character.

    Returns
    -------
    str
    """
    line = " ".join(str(text).split())
    printable = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
    return SPECIAL.sub(lambda found: "".join(f"&#{ord(sign)};" for sign in found[0]), printable)


def title_and_note(provenance: dict[str, Any]) -> tuple[str, str]:
    """What a data set is called and a sentence on it, which may come from its files' names, as Markdown.

    Parameters
    ----------
    provenance : dict
        Of a `data.Dataset` or `data.Split`, or a manifest's ``data``.
    """
    return markdown_text(provenance["title"]), markdown_text(provenance["note"])


def styled(table: pd.DataFrame, formats: dict[str, Any] | None = None) -> Styler:
    """A table for a page, its cells and its labels as they are: pandas escapes neither by itself.

    Parameters
    ----------
    table : DataFrame
    formats : dict of str to str, optional
        A format by column; missing values are shown empty.

    Returns
    -------
    Styler
    """
    shown = table.style.format(formats, na_rep="", escape="html")
    return shown.format_index(escape="html").format_index(escape="html", axis="columns")
