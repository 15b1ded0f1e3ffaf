"""Sanitiser for the HTML of notebooks and their outputs, by lists of allowed parts: the result runs and loads nothing.

The parser matters as much as the lists. Parsers that do not follow the HTML standard, such as Python's ``html.parser``,
end comments elsewhere, do not know CDATA and read ``style`` inside ``svg`` as text. So markup that they see as a
harmless comment is an element to a browser: ``<!--><meta http-equiv="refresh" content="0;url=...">-->``. Here nh3 (the
sanitiser ammonia, with the parser of the browser engine Servo) parses, filters and writes. Elements whose content
browsers parse by other rules than text (comments, ``style``, ``title``, ``textarea``, ``svg``, ...) are not allowed, so
that parsing the output again, at any depth and in any place, gives the same tags. Styles are the exception that pandas
tables need: tinycss2 parses their rules, lists filter them as well, and they go into the page's head.
"""

from __future__ import annotations

import re

import nh3
import tinycss2

TEXT = (
    "a abbr article aside b bdi bdo blockquote br caption center cite code col colgroup dd del details dfn div dl dt "
    "em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp section small span "
    "strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
MATHML = (
    "math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt "
    "mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none"
)
DROPPED = (
    "annotation annotation-xml button iframe noembed noframes noscript object option script select style "
    "svg template textarea title xmp"
)
"""Elements that are removed with their content, which is not text for a reader; other elements that are not allowed
lose only their tags."""
ATTRIBUTES = {
    "*": "class dir id lang style title role",
    "a": "href",
    "col": "span",
    "colgroup": "span",
    "details": "open",
    "img": "alt src width height",
    "li": "value",
    "ol": "start type reversed",
    "table": "border",
    "td": "align colspan headers rowspan valign",
    "th": "align colspan headers rowspan scope valign",
    "tr": "align valign",
    "time": "datetime",
}
MATHML_ATTRIBUTES = (
    "accent accentunder align columnalign columnlines columnspacing columnspan depth dir display displaystyle fence "
    "form frame height largeop linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize "
    "movablelimits notation rowalign rowlines rowspacing rowspan rspace scriptlevel separator stretchy symmetric "
    "voffset width"
)
PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*\Z")
LINK = re.compile(r"(https?|mailto):|[^:]*([/?#]|\Z)", re.IGNORECASE)
"""Allowed addresses of links: on the web, or relative."""
PROPERTIES = (
    "background background-color border border-bottom border-collapse border-color border-left border-radius "
    "border-right border-spacing border-style border-top border-width caption-side color font-size font-style "
    "font-variant font-variant-numeric font-weight height letter-spacing line-height margin margin-bottom margin-left "
    "margin-right margin-top max-height max-width min-height min-width opacity overflow overflow-wrap overflow-x "
    "overflow-y padding padding-bottom padding-left padding-right padding-top table-layout text-align text-decoration "
    "text-indent text-transform vertical-align white-space width word-break"
)
FUNCTIONS = ("calc", "hsl", "hsla", "linear-gradient", "rgb", "rgba")
VALUES = ("dimension", "hash", "ident", "number", "percentage", "whitespace")
SELECTORS = ("[] block", "dimension", "function", "hash", "ident", "literal", "number", "string", "whitespace")


def _allowed(tag, name, value):
    """The allowed part of an allowed attribute's value; None removes the attribute."""
    if name == "style":
        return _declarations(value) or None
    if name == "src":
        return value if PICTURE.match(value) else None
    if name == "href":
        return value if LINK.match(re.sub(r"[\t\n\r]", "", value).lstrip("".join(map(chr, range(33))))) else None
    return value


_CLEANER = nh3.Cleaner(
    tags={*TEXT.split(), *MATHML.split()},
    clean_content_tags=set(DROPPED.split()),
    attributes={
        **{tag: set(names.split()) for tag, names in ATTRIBUTES.items()},
        **{tag: set(MATHML_ATTRIBUTES.split()) for tag in MATHML.split()},
    },
    attribute_filter=_allowed,
    generic_attribute_prefixes={"aria-"},
    url_schemes={"http", "https", "mailto", "data"},
    link_rel=None,
)


def clean(markup: str) -> str:
    """Reduce a fragment of HTML to allowed elements, attributes and addresses, with every element closed.

    Pictures stay if they are data URIs, and links if their address is on the web or relative.

    Parameters
    ----------
    markup : str
        Any text; lone surrogates become question marks.

    Returns
    -------
    str
    """
    return _CLEANER.clean(markup.encode("utf-8", "replace").decode())


def style_rules(css: str) -> list[str]:
    """Rules of a style sheet that set allowed properties to plain values: no addresses, at-rules or strings.

    They are safe inside a ``style`` element.
    """
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    return [text for rule in rules if rule.type == "qualified-rule" and (text := _rule(rule))]


def _rule(rule):
    selector, content = tinycss2.serialize(rule.prelude).strip(), _declarations(rule.content)
    text = f"{selector} {{ {content} }}" if selector and content else ""
    plain = all(token.type in SELECTORS for token in _flat(rule.prelude))
    return text if plain and "<" not in text else ""  # "</style" would end the element, whatever it is to CSS


def _declarations(css):
    """The allowed declarations, as text."""
    found = tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True)
    return " ".join(
        f"{each.lower_name}: {tinycss2.serialize(each.value).strip()}{' !important' if each.important else ''};"
        for each in found
        if each.type == "declaration" and each.lower_name in PROPERTIES.split() and all(map(_is_plain, each.value))
    )


def _is_plain(token):
    if token.type == "function":
        return token.lower_name in FUNCTIONS and all(map(_is_plain, token.arguments))
    return token.type in VALUES or (token.type == "literal" and token.value in ",/+-*")


def _flat(tokens):
    """Tokens, including those inside blocks and functions."""
    for token in tokens:
        yield token
        yield from _flat(getattr(token, "content", None) or getattr(token, "arguments", None) or [])
