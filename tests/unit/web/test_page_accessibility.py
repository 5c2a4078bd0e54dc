"""The layout and stylesheet of every page: accessible by WCAG 2.2 AA."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import machtiging.web
from machtiging.web.pages import PageRenderer

STYLE = (Path(machtiging.web.__file__).parent / "static" / "stijl.css").read_text()
COLOURS = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", STYLE[: STYLE.index("}")]))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(COLOURS[one]), luminance(COLOURS[other])), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("text", "behind"),
    [
        ("inkt", "papier"),
        ("inkt", "vlak"),
        ("inkt", "let-op"),
        ("inkt", "focus"),
        ("zacht", "papier"),
        ("zacht", "vlak"),
        ("hoofd", "papier"),
        ("hoofd", "vlak"),
        ("hoofd-donker", "vlak"),
        ("papier", "hoofd"),
        ("papier", "hoofd-donker"),
        ("papier", "fout"),
        ("fout", "papier"),
        ("fout", "fout-vlak"),
        ("inkt", "goed-vlak"),
    ],
)
def test_text_contrast_is_at_least_4_5(text, behind):
    assert contrast(text, behind) >= 4.5


@pytest.mark.parametrize(("edge", "behind"), [("lijn", "papier"), ("inkt", "papier"), ("hoofd", "papier")])
def test_edge_and_focus_contrast_is_at_least_3(edge, behind):
    assert contrast(edge, behind) >= 3


def test_font_and_controls_have_minimum_size():
    assert "font-size: 112.5%" in STYLE
    assert min(map(int, re.findall(r"min-height: (\d+)px", STYLE))) >= 44


def test_stylesheet_loads_nothing_external():
    assert "http" not in STYLE
    assert "url(" not in STYLE
    assert "@import" not in STYLE


VISITOR = SimpleNamespace(name="Ans <b>", csrf_token="t0k3n")
PROBLEM = SimpleNamespace(title="Niet gevonden <i>", detail="Dit is er niet.", faults=())


def render_page(*, visitor=None, practice=False) -> str:
    values = {"problem": PROBLEM, "verzoek_id": "abc", "path": "/berichten"}
    return PageRenderer(["machtiging.web"]).render_text("fout.html", visitor=visitor, practice=practice, **values)


def test_page_has_language_one_heading_and_skip_link():
    html = render_page()
    assert html.startswith('<!DOCTYPE html>\n<html lang="nl">')
    assert html.count("<h1") == 1
    assert html.index('href="#inhoud"') < html.index("<nav")
    assert 'id="inhoud"' in html
    assert "<script" not in html
    assert "style=" not in html


def test_page_of_visitor_has_name_and_logout_form_with_csrf_token():
    html = render_page(visitor=VISITOR)
    assert "Ans &lt;b&gt;" in html
    assert 'name="csrf" value="t0k3n"' in html
    assert 'aria-current="page"' in html
    assert "/inloggen" not in html


def test_page_without_session_has_login_link():
    assert 'href="/inloggen"' in render_page()
    assert "Uitloggen" not in render_page()


@pytest.mark.parametrize("practice", [True, False])
def test_practice_banner_is_shown_in_practice_only(practice):
    assert ("Oefenomgeving" in render_page(practice=practice)) is practice


def test_row_3_page_values_are_html_escaped():
    assert "<i>" not in render_page()
