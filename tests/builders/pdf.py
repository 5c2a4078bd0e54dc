"""Read a PDF: its text, its structure tree, the QR codes of its first page."""

from __future__ import annotations

import io
from typing import Any

import pypdfium2
import zxingcpp
from pypdf import PdfReader

DOTS_PER_POINT = 150 / 72


def read_pdf(document: bytes) -> Any:
    return PdfReader(io.BytesIO(document))


def read_text(document: bytes) -> str:
    """The text of all pages, with single spaces."""
    with pypdfium2.PdfDocument(document) as opened:
        pages = [page.get_textpage().get_text_bounded() for page in opened]
    return " ".join(" ".join(pages).split())


def read_structure_types(document: bytes) -> set[str]:
    """The tags of the structure tree, such as H1 and Table."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        one = node.get_object()
        if isinstance(one, list):
            for inner in one:
                visit(inner)
        elif isinstance(one, dict):
            if "/S" in one:
                found.add(str(one["/S"]).lstrip("/"))
            if "/K" in one:
                visit(one["/K"])

    visit(read_pdf(document).trailer["/Root"]["/StructTreeRoot"])
    return found


def read_bar_codes(document: bytes) -> list[str]:
    """The texts of the QR codes on the first page, printed at 150 dpi."""
    with pypdfium2.PdfDocument(document) as opened:
        picture = opened[0].render(scale=DOTS_PER_POINT).to_pil()
    return [found.text for found in zxingcpp.read_barcodes(picture)]
