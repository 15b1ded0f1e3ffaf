"""Pictures: those of a page as WebP, seven tenths of PNG or less; those beside it as PNG of 256 colours, a third."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from influaug.files.writing import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from influaug._types import PathLike

PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
LOSSLESS = {"lossless": True, "exact": True, "method": 4}
LOSSY = {"quality": 90, "method": 4}
LARGE, GAIN = 10_000, 0.8
"""A picture of more bytes is coded with loss if that brings it down to this share. Photographs get there; lines and
text do not, and keep every pixel."""


def as_webp(markup: str) -> str:
    """Markup whose PNG data URIs are WebP where that is smaller; what is no readable picture stays as it is.

    Drawings are coded without loss; large pictures with photographs, which that would hardly make smaller, at
    quality 90.
    """
    return PNG.sub(lambda found: _smaller(found[0], found[1]), markup)


def _smaller(uri, encoded):
    try:
        picture = Image.open(BytesIO(b64decode(encoded)))
        opaque = picture.convert("RGBA").getextrema()[3] == (255, 255)  # type: ignore[misc]
        picture = picture.convert("RGB" if opaque else "RGBA")
        webp = _coded(picture, LOSSLESS)
        if len(webp) > LARGE and len(lossy := _coded(picture, LOSSY)) <= GAIN * len(webp):
            webp = lossy
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
        return uri
    return min(uri, f"data:image/webp;base64,{b64encode(webp).decode()}", key=len)


def _coded(picture, options):
    file = BytesIO()
    picture.save(file, "webp", **options)
    return file.getvalue()


def write_png(figure: Figure, path: PathLike) -> None:
    """Write a figure as a PNG file of at most 256 colours, whole or not at all.

    Lines, bands and text need no more; without dithering the file takes a third of one in full colour.
    """
    full = BytesIO()
    figure.savefig(full, format="png")
    few = Image.open(full).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with replacing(path) as temporary:
        few.save(temporary, "png", optimize=True)
