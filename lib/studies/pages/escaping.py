"""Escaping of text from outside (names of files, folders, classes and studies) for Markdown and HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd
    from pandas.io.formats.style import Styler

SPECIAL = re.compile(r'[\\`*_\[\]<>|~^=$&"@#]|://|www\.|^[-+:]|^\d+(?=[.)])', re.IGNORECASE)
"""Characters that begin or end emphasis, code, links, HTML, formulas, tables, headings or lists, and parts of addresses
that Markdown turns into links."""


def markdown_text(text: str) -> str:
    """Escape a text for Markdown, so that it is shown literally on one line: no markup, links, formulas or HTML.

    Special characters become character references. Neither Markdown nor HTML reads these as markup, between tags or in
    quoted attributes.

    Parameters
    ----------
    text : str
        A name, title, error or sentence. White space becomes single spaces. Characters that cannot be printed (control
        characters, changes of direction, lone surrogates) become the replacement character.

    Returns
    -------
    str
    """
    line = " ".join(str(text).split())
    printable = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
    return SPECIAL.sub(lambda found: "".join(f"&#{ord(sign)};" for sign in found[0]), printable)


def title_and_note(provenance: dict[str, Any]) -> tuple[str, str]:
    """Title of a data set and a sentence about it, escaped for Markdown, as they may contain names of files.

    Parameters
    ----------
    provenance : dict
        The provenance of a `Dataset` or `Split` of `influaug.data.datasets`, or a manifest's ``data``.
    """
    return markdown_text(provenance["title"]), markdown_text(provenance["note"])


def styled(table: pd.DataFrame, formats: dict[Any, Any] | None = None) -> Styler:
    """Escape the cells and labels of a table for a page, because pandas does not.

    Parameters
    ----------
    table : DataFrame
    formats : dict of column to str, optional
        Formats by column; missing values are shown as empty cells.

    Returns
    -------
    Styler
    """
    shown = table.style.format(formats, na_rep="", escape="html")
    return shown.format_index(escape="html").format_index(escape="html", axis="columns")
