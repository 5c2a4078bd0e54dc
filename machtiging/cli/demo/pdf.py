"""Render the attachment of a letter as a PDF. The same letter and day give the same bytes."""

from __future__ import annotations

from datetime import datetime

from babel.dates import format_date
from fpdf import FPDF

from machtiging.cli.demo.letters import Letter

_BLUE = (21, 66, 115)


def attachment(letter: Letter, sender_name: str, published_at: datetime) -> bytes:
    """Render the PDF of a letter: letterhead, date, heading, table and footer."""
    pdf = FPDF(format="A4")
    pdf.core_fonts_encoding = "windows-1252"
    # By default the file holds its creation time, so its bytes would differ each time.
    pdf.set_creation_date(published_at)
    pdf.set_producer("machtiging demo")
    pdf.set_title(letter.heading)
    pdf.set_author(sender_name)
    pdf.set_lang("nl-NL")
    pdf.add_page()
    _letterhead(pdf, sender_name, published_at)
    _table(pdf, letter)
    _footer(pdf)
    return bytes(pdf.output())


def _letterhead(pdf: FPDF, sender_name: str, published_at: datetime) -> None:
    pdf.set_fill_color(*_BLUE)
    pdf.rect(0, 0, 210, 8, style="F")
    pdf.set_y(20)
    pdf.set_font("helvetica", style="B", size=18)
    pdf.set_text_color(*_BLUE)
    pdf.cell(0, 10, sender_name, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("helvetica", size=11)
    pdf.set_text_color(60, 60, 60)
    day = format_date(published_at.date(), "d MMMM y", locale="nl_NL")
    pdf.cell(0, 8, f"Datum: {day}", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(8)


def _table(pdf: FPDF, letter: Letter) -> None:
    pdf.set_text_color(0, 0, 0)
    pdf.set_font("helvetica", style="B", size=14)
    pdf.cell(0, 10, letter.heading, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(2)
    pdf.set_font("helvetica", size=12)
    for label, value in letter.rows:
        pdf.cell(105, 9, label, border="B")
        pdf.cell(0, 9, value, border="B", align="R", new_x="LMARGIN", new_y="NEXT")


def _footer(pdf: FPDF) -> None:
    pdf.ln(12)
    pdf.set_font("helvetica", style="I", size=10)
    pdf.set_text_color(110, 110, 110)
    pdf.multi_cell(0, 6, "Dit is een voorbeeld uit de oefenwereld. De organisatie heeft deze brief niet verstuurd.")
