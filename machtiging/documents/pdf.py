"""PDF documents from Typst templates.

Tagged for screen readers (PDF/UA-1), and fit for archives (PDF/A-3a).
The data reaches a template as JSON, so nothing in it is markup. The fonts are those inside Typst: a document looks the
same on each machine. Typst refuses a document without title, or with a picture without text.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import typst

_TEMPLATES = Path(__file__).with_name("typst")
_STANDARDS: list[typst.PDFStandard] = ["ua-1", "a-3a"]
# Categories that PDF/A forbids or no font shows: control, private, surrogate, unassigned.
_UNPRINTABLE = frozenset(("Cc", "Co", "Cs", "Cn"))
# Letters up to here (Latin, Greek, Cyrillic) are in the fonts.
_LAST_SURE_LETTER = "\u04ff"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Template(StrEnum):
    """The documents that can be made. Each is a file in `typst/`."""

    ACCESS_HISTORY = "access_history.typ"
    MACHTIGING_SUMMARY = "machtiging_summary.typ"


def render_pdf(
    template: Template, data: Mapping[str, Any], *, title: str, language: str, created_at: datetime
) -> bytes:
    """Render a document. The same arguments give the same bytes.

    `data` holds the words and values of the template, as JSON values. Letters that no font has are replaced by U+FFFD.
    """
    values = {"title": title, "language": language, "data": data}
    try:
        return _compile(template, _map_texts(values, _drop_unprintable), created_at)
    except typst.TypstError:  # then a letter is in none of the fonts
        return _compile(template, _map_texts(values, _replace_rare_letters), created_at)


@cache
def _load_fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False)


def _compile(template: Template, values: Any, created_at: datetime) -> bytes:
    typesetter = typst.Compiler(root=_TEMPLATES, font_paths=_load_fonts(), ignore_system_fonts=True)
    document = typesetter.compile(
        _TEMPLATES / template,
        format="pdf",
        sys_inputs={"values": json.dumps(values)},
        pdf_standards=_STANDARDS,
        timestamp=created_at.astimezone(UTC).replace(microsecond=0),
    )
    if not isinstance(document, bytes):
        raise TypeError("a PDF document is one file")
    return document


def _map_texts(value: Any, change: Any) -> Any:
    """Return JSON values with each text changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _map_texts(one, change) for name, one in value.items()}
    if isinstance(value, Sequence):
        return [_map_texts(one, change) for one in value]
    return value


def _drop_unprintable(text: str) -> str:
    return "".join(letter for letter in text if unicodedata.category(letter) not in _UNPRINTABLE)


def _replace_rare_letters(text: str) -> str:
    return "".join(
        letter if letter <= _LAST_SURE_LETTER or letter in "–—‘’“”…•€" else _REPLACEMENT
        for letter in _drop_unprintable(text)
    )
