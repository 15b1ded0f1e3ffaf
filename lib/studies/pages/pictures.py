"""Pictures of a page: PNG as lossless WebP, which browsers show alike and which takes about seven tenths of it."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from io import BytesIO

from PIL import Image

PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")


def as_webp(markup: str) -> str:
    """Markup whose PNG data URIs are WebP where that is smaller; what is no readable picture stays as it is."""
    return PNG.sub(lambda found: _smaller(found[0], found[1]), markup)


def _smaller(uri, encoded):
    try:
        png, webp = b64decode(encoded), BytesIO()
        picture = Image.open(BytesIO(png))
        opaque = picture.convert("RGBA").getextrema()[3] == (255, 255)  # type: ignore[misc]
        picture.convert("RGB" if opaque else "RGBA").save(webp, "webp", lossless=True, exact=True, method=4)
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
        return uri
    return min(uri, f"data:image/webp;base64,{b64encode(webp.getvalue()).decode()}", key=len)
