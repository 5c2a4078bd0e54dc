"""Pages without a login, in both languages, and the help on every page."""

import re
from dataclasses import replace as replace_fields

import pytest

from machtiging.app import create_app
from machtiging.kernel.errors import Fault
from machtiging.operator_content.help_contact import PRACTICE_HELP, HelpPoint, load_help_points
from machtiging.operator_content.service_changes import load_service_changes
from machtiging.settings import Environment, Settings
from tests.builders.applications import POLICIES, replace_services
from tests.builders.keys import make_key_directory
from tests.builders.people import BROKER, ISSUER

PAGES = ("/hulp", "/toegankelijkheid", "/privacy", "/aanpassingen", "/leeshulp", "/zo-werkt-het", "/veilig")
LANGUAGES = ("nl", "en")


async def open_public(portal, path, language="nl"):
    return await portal.http.get(ISSUER + path, headers={"Accept": "text/html", "Accept-Language": language})


def give_help(portal, **changes):
    replace_services(portal.app, help_contact=replace_fields(portal.app.state.services.help_contact, **changes))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
async def test_public_page_opens_without_login_in_both_languages(portal, path, language):
    response = await open_public(portal, path, language)
    assert response.status_code == 200
    assert f'<html lang="{language}"' in response.text
    assert response.text.count("<h1") == 1
    assert "{" not in re.sub(r"<script.*?</script>", "", response.text, flags=re.DOTALL)


@pytest.mark.parametrize("path", PAGES)
async def test_public_page_keeps_the_menu_of_a_visitor(portal, path):
    page = await (await portal.mother()).open_page(ISSUER + path)
    assert page.find_form("/uitloggen")


@pytest.mark.parametrize("path", PAGES)
async def test_own_link_on_public_page_leads_to_a_page(portal, path):
    html = (await open_public(portal, path)).text
    mother = await portal.mother()
    for link in sorted(set(re.findall(r'href="(/[^"#]*)', html))):
        if not link.startswith(("/static/", "/inloggen")):
            await mother.open_page(ISSUER + link)


@pytest.mark.parametrize("path", ["/", "/hulp", "/bestaat-niet"])
async def test_help_stands_at_the_end_of_every_page(portal, path):
    footer = (await open_public(portal, path)).text.partition('<footer class="m-footer">')[2]
    assert 'href="tel:0000000000"' in footer
    assert "Bellen kan elke werkdag van 9.00 tot 17.00 uur." in footer
    assert all(f'href="{page}"' in footer for page in PAGES)


async def test_help_shows_the_settings_of_the_installation_escaped(portal):
    give_help(portal, phone="14 000", owner="Gemeente <b>Test</b>")
    assert '<a class="m-big-number" href="tel:14000">14 000</a>' in (await open_public(portal, "/hulp")).text
    for path in ("/privacy", "/toegankelijkheid"):
        assert "Gemeente &lt;b&gt;Test&lt;/b&gt;" in (await open_public(portal, path)).text


async def test_help_points_near_a_postcode_come_first(portal):
    give_help(portal, points=load_help_points(None))
    listed = re.findall(r"<h4>(.*?)</h4>", (await open_public(portal, "/hulp?postcode=9700")).text)
    assert listed[0] == "Bibliotheek Testerveen"
    assert len(listed) == len(load_help_points(None))


@pytest.mark.parametrize("typed", ["", "Oefenstad", "0999", "<script>", "1" * 9000, "\u0661\u0662\u0663\u0664", "%00"])
async def test_postcode_that_is_none_gets_a_fault_and_the_whole_list(portal, typed):
    give_help(portal, points=load_help_points(None))
    response = await portal.http.get(ISSUER + "/hulp", params={"postcode": typed}, headers={"Accept": "text/html"})
    assert response.status_code == 400
    assert "<title>Fout: Hulp" in response.text
    assert "<script>" not in response.text
    assert len(re.findall(r"<h4>", response.text)) == len(load_help_points(None))
    assert len(response.text) < 40_000


async def test_help_without_help_points_says_so(portal):
    give_help(portal, points=())
    html = (await open_public(portal, "/hulp")).text
    assert "Wij kennen nu geen plek" in html
    assert 'name="postcode"' not in html


async def test_help_point_of_the_operator_is_html_escaped(portal):
    point = HelpPoint(name="<img src=x>", address="A & B", postcode="1234 AB", place="Stad")
    give_help(portal, points=(point,))
    html = (await open_public(portal, "/hulp")).text
    assert "<img src=x>" not in html
    assert "&lt;img src=x&gt;" in html


@pytest.mark.parametrize("language", LANGUAGES)
async def test_changes_page_gives_the_reason_of_a_declined_change(portal, language):
    replace_services(portal.app, service_changes=load_service_changes(None))
    html = (await open_public(portal, "/aanpassingen", language)).text
    for change in load_service_changes(None):
        assert change.title.in_language(language).replace("'", "&#39;") in html
    words = {"nl": ("Het mag niet van de wet.", "Waarom niet?"), "en": ("The law does not allow it.", "Why not?")}
    assert all(word in html for word in words[language])


async def test_changes_page_without_changes_says_so(portal):
    replace_services(portal.app, service_changes=())
    assert "Er zijn nu geen aanpassingen" in (await open_public(portal, "/aanpassingen")).text


@pytest.mark.parametrize("name", ["service_changes_file", "help_points_file"])
def test_service_with_unreadable_operator_file_does_not_start(tmp_path, name):
    path = tmp_path / "file.yaml"
    path.write_text("- {title: {nl: a, en: b}, text: {nl: a, en: b}, status: afgewezen}")
    settings = Settings(
        env=Environment.TEST, issuer=ISSUER, broker_issuer=BROKER, database_url="postgresql:///niets?host=/nergens",
        keys_dir=make_key_directory(tmp_path / "keys"), policies_dir=POLICIES, **{name: path},
    )  # fmt: skip
    with pytest.raises(Fault, match="_onleesbaar") as refused:
        create_app(settings)
    assert str(path) in refused.value.private


async def test_accessibility_statement_has_what_dutch_law_asks(portal):
    html = (await open_public(portal, "/toegankelijkheid")).text
    for word in ("Besluit digitale toegankelijkheid overheid", "Status C", "EN 301 549", ISSUER, "ombudsman"):
        assert word in html
    assert PRACTICE_HELP.accessibility_email in html


async def test_privacy_page_names_the_lifetime_of_a_kept_form_and_the_complaint(portal):
    html = (await open_public(portal, "/privacy")).text
    assert "Na 1 uur is het weg." in html
    assert "Autoriteit Persoonsgegevens" in html
    assert PRACTICE_HELP.privacy_email in html
