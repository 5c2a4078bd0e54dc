"""QR codes are decoded from a printed page and named for screen readers."""

import re
from xml.etree import ElementTree as ET

import pytest
import typst

from machtiging.documents.qr import make_qr_svg
from tests.builders.pdf import read_bar_codes

SVG = "{http://www.w3.org/2000/svg}"


def print_page(drawing: str) -> bytes:
    """A printed page with this drawing, 40 millimetres wide."""
    page = b'#image(bytes(sys.inputs.drawing), format: "svg", width: 40mm)'
    # a file, in place of an element of a page, names its namespace
    named = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return typst.compile(page, format="pdf", sys_inputs={"drawing": named})


@pytest.mark.parametrize(
    "text",
    [
        "https://machtigen.example/controleren#K7-4DWQ-9XPA",
        "é ő 漢字 \U0001f600",
        "<script>alert(1)</script>",
        "x" * 500,
    ],
)
def test_qr_code_on_printed_page_is_decoded_to_its_text(text):
    assert read_bar_codes(print_page(make_qr_svg(text, "Code"))) == [text]


def test_qr_svg_has_role_and_escaped_title():
    drawing = ET.fromstring(make_qr_svg("tekst", 'Code van "Riet" <b>&'))
    assert drawing.get("role") == "img"
    assert [title.text for title in drawing.iter("title")] == ['Code van "Riet" <b>&']


def test_qr_svg_is_black_on_white_without_styles_or_size():
    drawing = make_qr_svg("tekst", "Code")
    assert {*re.findall(r'(?:fill|stroke)="([^"]+)"', drawing)} == {"#000", "#fff"}
    assert "currentColor" not in drawing
    assert [name for name in ("style=", "class=", "width=", "height=", "<script", "<?xml") if name in drawing] == []


def test_qr_svg_has_quiet_zone_of_four_modules():
    (dark,) = (path.get("d") for path in ET.fromstring(make_qr_svg("tekst", "Code")).iter("path") if path.get("stroke"))
    assert dark.startswith("M4 4.5h7")


@pytest.mark.parametrize("text", ["", "x" * 3_000])
def test_qr_code_of_impossible_text_is_rejected(text):
    with pytest.raises(ValueError):
        make_qr_svg(text, "Code")
