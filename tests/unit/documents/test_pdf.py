"""PDF documents: hostile data stays text, tags are present, bytes are reproducible."""

from datetime import UTC, datetime

import pytest
import typst

from machtiging.documents import pdf
from machtiging.documents.pdf import Template, render_pdf
from tests.architecture.sources import ROOT
from tests.builders.pdf import read_pdf, read_structure_types, read_text

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOSTILE = [
    '#read("/etc/passwd")',
    "*vet* _schuin_ `code` $x^2$ = kop",
    "<script>alert(1)</script>",
    '#panic("stop")',
    '#import "@preview/cetz:0.3.0"',
    "] #sys.inputs [",
    '\\u{41} \\" {{ data }} {% raw %}',
    "@label <label> // weg /* ook */",
]


def make_history(**changes):
    data = {
        "intro": ["Wie keek er mee, van 1 tot 23 november 2026."],
        "facts": [["Van", "R. van der Linden"], ["Gemaakt op", "23 november 2026"]],
        "columns": ["Wanneer", "Wie", "Wat", "Uitkomst"],
        "rows": [["23 november 2026 om 11:00 uur", "Bram", "las een brief", "Gelukt"]],
        "empty": "Niemand keek mee.",
        "notes": ["Dit zijn alle regels."],
    }
    return data | changes


def make_summary(**changes):
    data = {
        "intro": ["Bewijs voor uzelf."],
        "facts": [["Uw helper", "Bram de Wit"]],
        "sections": [{"heading": "Welke brieven", "items": ["Belastingdienst", "SVB"]}],
        "notes": [],
    }
    return data | changes


def render(template=Template.ACCESS_HISTORY, data=None, *, title="Wie keek er mee", language="nl", created_at=NOW):
    chosen = data or (make_history() if template is Template.ACCESS_HISTORY else make_summary())
    return render_pdf(template, chosen, title=title, language=language, created_at=created_at)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_row_is_printed_as_it_is(text):
    printed = read_text(render(data=make_history(rows=[["nu", text, "las", "Gelukt"]]))).replace(" ", "")
    assert text.replace(" ", "") in printed.replace("\N{HYPHEN}", "")
    assert "root:" not in printed


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_title_and_facts_are_printed_as_they_are(text):
    document = render(Template.MACHTIGING_SUMMARY, make_summary(facts=[[text, text]]), title=text)
    assert read_pdf(document).metadata.title == text
    assert read_text(document).replace(" ", "").count(text.replace(" ", "")) == 3


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize("language", ["nl", "en"])
def test_document_is_tagged_and_names_title_and_language(template, language):
    root = read_pdf(render(template, language=language)).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 (an object of pypdf)
    assert root["/Lang"] == language
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712
    assert "/StructTreeRoot" in root


@pytest.mark.parametrize("template", Template)
def test_document_claims_ua_1_and_a_3a(template):
    metadata = read_pdf(render(template)).trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfuaid:part>1<" in metadata
    assert "<pdfaid:part>3<" in metadata
    assert "<pdfaid:conformance>A<" in metadata


def test_history_has_a_table_with_header_cells():
    assert {"H1", "Table", "THead", "TBody", "TR", "TH", "TD", "L", "LI"} <= read_structure_types(render())


def test_summary_has_headings_and_lists():
    assert {"H1", "H2", "L", "LI"} <= read_structure_types(render(Template.MACHTIGING_SUMMARY))


def test_history_without_rows_says_so_and_has_no_table():
    document = render(data=make_history(rows=[]))
    assert "Niemand keek mee." in read_text(document)
    assert "Table" not in read_structure_types(document)


def test_header_row_is_repeated_and_pages_are_numbered():
    document = render(data=make_history(rows=[[str(number), "Bram", "las", "Gelukt"] for number in range(200)]))
    pages = len(read_pdf(document).pages)
    text = read_text(document)
    assert pages > 2
    assert text.count("Uitkomst") == pages
    assert f"{pages} / {pages}" in text


@pytest.mark.parametrize("name", ["Łukasz Žižek", "Ștefan Ő", "Δημήτρης", "Олена", "مريم", "שרה"])
def test_names_in_other_scripts_are_kept(name):
    assert name in "".join(
        read_pdf(render(data=make_history(rows=[["nu", name, "las", "ja"]]))).pages[0].extract_text()
    )


@pytest.mark.parametrize("letter", ["漢", "\U0001f600", "\U0010ffff", "\ue000", "\x00", "\x07", "\ud800"])
def test_letter_without_a_glyph_is_replaced_and_the_rest_is_kept(letter):
    document = render(data=make_history(rows=[["nu", f"Bram{letter} de Wit", "las — één", "ja"]]))
    text = read_text(document)
    assert "de Wit" in text
    assert "las — één" in text


def test_letters_that_are_never_replaced_are_in_the_fonts():
    sure = "".join(map(chr, range(0x20, ord(pdf._LAST_SURE_LETTER) + 1)))
    data = make_history(rows=[["nu", " ".join(pdf._replace_rare_letters(sure + "–—‘’“”…•€\ufffd")), "x", "y"]])
    assert pdf._compile(Template.ACCESS_HISTORY, {"title": "x", "language": "nl", "data": data}, NOW)


@pytest.mark.parametrize("template", Template)
def test_same_arguments_give_the_same_bytes(template):
    assert render(template) == render(template)


def test_fonts_of_the_machine_are_not_used():
    assert {font.path for font in pdf._load_fonts().fonts()} == {None}


def test_document_without_title_is_refused_by_typst():
    with pytest.raises(typst.TypstError, match="title"):
        render(title="")


def test_unknown_field_of_a_template_is_an_error():
    with pytest.raises(typst.TypstError):
        render(data={"intro": []})


def test_every_template_has_its_file_and_stands_in_the_package_data():
    assert {path.name for path in pdf._TEMPLATES.glob("[!_]*.typ")} == set(Template)
    assert '"typst/*"' in (ROOT / "pyproject.toml").read_text()


def test_document_of_any_instant_is_made():
    assert render(created_at=NOW.replace(microsecond=123456)) == render()
