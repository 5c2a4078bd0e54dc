"""QR codes (ISO/IEC 18004) as SVG, for a page or for print."""

from __future__ import annotations

import segno

# The quiet zone that ISO/IEC 18004 requires, in modules.
_BORDER = 4


def make_qr_svg(text: str, title: str) -> str:
    """Return a QR code of this text as an SVG element.

    Screen readers name it by `title`. It is black on white in every theme, has error correction of level M or better,
    and no size of its own. Raises ValueError if the text is empty or too long for a QR code.
    """
    if not text:
        raise ValueError("a QR code of nothing")
    code = segno.make_qr(text, error="m")
    # Colours stand in the element itself: text colours of a dark theme would give a code that few scanners read.
    drawing = code.svg_inline(
        dark="#000", light="#fff", border=_BORDER, omitsize=True, title=title, svgclass=None, lineclass=None
    )
    return drawing.replace("<svg ", '<svg role="img" ', 1)
