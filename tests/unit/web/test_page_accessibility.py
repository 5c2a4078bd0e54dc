"""The layout and stylesheet of every page: accessible by WCAG 2.2 AA."""

import hashlib
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from machtiging.dependencies import attach_services
from machtiging.web import pages
from machtiging.web.frame.assets import STATIC_DIRECTORY, asset_url
from machtiging.web.pages import PageRenderer, PageServices

STYLE = (STATIC_DIRECTORY / asset_url("portal.css").removeprefix("/static/")).read_text()
SOURCE = (STATIC_DIRECTORY.parent / "frontend" / "portal.css").read_text()
# kilobytes
LARGEST_STYLESHEET = 120


def test_stylesheet_is_one_file_of_limited_size():
    assert len(list(STATIC_DIRECTORY.glob("*.css"))) == 1
    assert len(STYLE) <= LARGEST_STYLESHEET * 1000


def test_font_and_controls_have_minimum_size():
    assert "font-size: 112.5%" in SOURCE
    sizes = [int(size) for size in re.findall(r"min-height: (\d+)px", SOURCE)]
    assert len(sizes) > 5
    assert min(sizes) >= 44


def test_stylesheet_loads_our_own_fonts_only():
    loaded = re.findall(r"url\(([^)]*)\)", STYLE)
    own = [one for one in loaded if not one.strip("\"'").startswith("data:")]
    assert own
    assert [one for one in own if not (STATIC_DIRECTORY / one.strip("\"'")).exists()] == []
    assert "@import" not in STYLE


def test_each_asset_has_the_hash_of_its_content_in_its_name():
    for name in ("portal.css", "portal.js", "icons.svg"):
        path = STATIC_DIRECTORY / asset_url(name).removeprefix("/static/")
        assert hashlib.sha256(path.read_bytes()).hexdigest()[:12] == path.name.split(".")[-2]


def test_unknown_asset_has_no_url():
    with pytest.raises(KeyError):
        asset_url("andere.css")


VISITOR = SimpleNamespace(
    organisation_kvk=None,
    is_overseer=False,
    audits=False,
    name="Ans <b>",
    csrf_token="t0k3n",
    seconds_left=900,
    can_extend=True,
    session_end=datetime(2026, 11, 29, 13, 35, 59, tzinfo=UTC),
)
PROBLEM = SimpleNamespace(title="Niet gevonden <i>", detail="Dit is er niet.", faults=())


def render_page(*, visitor=None, practice=False) -> str:
    app = FastAPI()
    attach_services(app, PageServices(pages=PageRenderer(["machtiging.web"]), practice=practice))
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": [], "app": app, "method": "GET"}
    page = pages.render_page(Request(scope), "fout.html", visitor=visitor, problem=PROBLEM, verzoek_id="abc")
    return bytes(page.body).decode()


def test_page_has_language_one_heading_and_skip_link():
    html = render_page()
    assert html.startswith('<!DOCTYPE html>\n<html lang="nl" class="ma-theme">')
    assert html.count("<h1") == 1
    assert html.index('href="#inhoud"') < html.index("<header")
    assert 'id="inhoud"' in html
    assert re.findall(r"<script[^>]*>[^<]", html) == []
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


def test_page_of_visitor_says_until_when_the_login_lasts():
    html = render_page(visitor=VISITOR)
    assert "U blijft ingelogd tot 14.35 uur." in html
    assert 'action="/blijf-ingelogd" target="_blank"' in html
    assert html.count('<template id="sessie-') == 3
    assert "ingelogd-tot" not in render_page()


def test_reading_aid_without_script_shows_no_button():
    inside = re.search(r'<template id="leeshulp-knop">(.*?)</template>', render_page(), re.DOTALL)[1]
    assert inside.count("<button") == 8
    assert render_page().count("data-aid") == inside.count("data-aid")


def test_script_is_small_and_loads_nothing():
    script = (STATIC_DIRECTORY.parent / "frontend" / "portal.js").read_text()
    assert len(script) < 12_000
    assert "import" not in script
    assert "http" not in script
    assert script.count("fetch(") == 1
    assert "innerHTML" not in script
    assert ".style" not in script
