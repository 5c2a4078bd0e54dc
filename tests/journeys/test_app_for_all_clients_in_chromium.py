"""A social worker and her app for all clients, in Chromium without JavaScript."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.builders.client import make_authorization_details
from tests.journeys.app_site import push_request
from tests.journeys.test_expired_session_forms_in_chromium import comes_back, cookie_lost
from tests.journeys.test_portal_in_chromium import accept, log_in, offer, press

pytestmark = [pytest.mark.browser, pytest.mark.long]
ALL_CLIENTS = make_authorization_details(clienten="toegewezen")


@pytest.fixture
def citizen(chromium):
    """The browser of the citizen.

    To log in as somebody else in one browser would end the session there, with its consents.
    """
    context = chromium.new_context(java_script_enabled=False, locale="nl-NL")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def take_on_client(page, citizen, running_demo) -> None:
    """Riet offers a machtiging to a professional, and the social worker accepts it."""
    log_in(citizen, running_demo, "vertegenwoordigde")
    code = offer(citizen, running_demo, helper="Een hulpverlener van een organisatie", past_year=True)
    accept(page, running_demo, code)
    press(page, "Ja, ik neem de machtiging aan")
    assert "Riet" in page.inner_text("main")


def get(running_demo, tokens, path) -> httpx.Response:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return httpx.get(f"{running_demo.url}/api/v1{path}", headers=headers, timeout=60)


def list_clients(running_demo, tokens) -> list[dict[str, Any]]:
    """The clients of the social worker: Riet, and those of the practice data."""
    return get(running_demo, tokens, "/machtigingen").json()["machtigingen"]


def is_of_riet(client: dict[str, Any]) -> bool:
    return client["vertegenwoordigde"]["naam"].startswith("Riet")


def withdraw_all(citizen, running_demo, count) -> None:
    for _ in range(count):
        citizen.goto(running_demo.url + "/helpers")
        card = citizen.locator("main .m-card").filter(has_text="Fatima").filter(has_text="Werkt nu")
        card.first.get_by_role("link").first.click()
        citizen.goto(citizen.url.partition("?")[0] + "/intrekken")
        press(citizen, "Ja, stop met deze helper")


def test_app_for_all_clients_reads_each_until_she_withdraws(page, citizen, running_demo, app_site):
    log_in(page, running_demo, "raadslid")
    take_on_client(page, citizen, running_demo)
    app = push_request(running_demo, app_site, ALL_CLIENTS)
    page.goto(app.url)
    shown = page.inner_text("main")
    assert "alle mensen die Stichting Raadslieden Oefenstad aan u toewijst, nu en later" in shown
    press(page, "Ja, ik ga akkoord")
    assert page.url.startswith(app_site + "?code="), page.url
    tokens = app.redeem_code(page.url)
    listed = list_clients(running_demo, tokens)
    assert sum(is_of_riet(each) for each in listed) == 1
    assert get(running_demo, tokens, "/berichten").json()["code"] == "machtiging_niet_genoemd"
    take_on_client(page, citizen, running_demo)
    clients = [each for each in list_clients(running_demo, tokens) if is_of_riet(each)]
    assert len(clients) == 2
    boxes = [f"/machtigingen/{each['machtigingId']}/berichten" for each in clients]
    for box in boxes:
        letters = get(running_demo, tokens, box).json()["berichten"]
        assert get(running_demo, tokens, f"{box}/{letters[0]['berichtId']}").status_code == 200
    citizen.goto(running_demo.url + "/apps")
    helped = citizen.inner_text("main").split("Apps waarmee een helper")[1]
    assert "leest met deze app ook brieven van anderen" in helped
    withdraw_all(citizen, running_demo, len(boxes))
    for box in boxes:
        refused = get(running_demo, tokens, box)
        assert (refused.status_code, refused.json()["code"]) == (403, "machtiging_beeindigd"), refused.text
    other = next(each["machtigingId"] for each in listed if not is_of_riet(each) and each["geldt"])
    assert get(running_demo, tokens, f"/machtigingen/{other}/berichten").status_code == 200
    citizen.goto(running_demo.url + "/apps")
    assert "Geen enkele helper leest uw brieven nu met een app" in citizen.inner_text("main")


def test_consent_for_all_clients_pressed_in_three_tabs_is_decided_once(page, running_demo, app_site):
    log_in(page, running_demo, "raadslid")
    app = push_request(running_demo, app_site, ALL_CLIENTS)
    tabs = [page, page.context.new_page(), page.context.new_page()]
    for tab in tabs:
        tab.goto(app.url)
    for tab in tabs[:2]:
        press(tab, "Ja, ik ga akkoord")
    assert tabs[0].url == tabs[1].url
    app.redeem_code(page.url)
    press(tabs[2], "Ja, ik ga akkoord")
    assert tabs[2].url.startswith(running_demo.url)
    assert "besloten" in tabs[2].inner_text("main").lower()
    page.go_back()
    assert "Ga terug naar de app en probeer het daar opnieuw" in page.inner_text("main")


def test_consent_for_all_clients_after_session_expiry_is_offered_again(page, running_demo, app_site):
    log_in(page, running_demo, "raadslid")
    app = push_request(running_demo, app_site, ALL_CLIENTS)
    page.goto(app.url)
    cookie_lost(page, running_demo)
    press(page, "Ja, ik ga akkoord")
    comes_back(page, running_demo, "Fatima")
    press(page, "Ja, ik ga akkoord")
    assert page.url.startswith(app_site + "?code="), page.url


def test_consent_for_all_clients_of_a_private_person_is_refused_to_the_app(page, running_demo, app_site):
    log_in(page, running_demo, "naaste")
    page.goto(push_request(running_demo, app_site, ALL_CLIENTS).url)
    assert page.url.startswith(app_site + "?error=invalid_authorization_details"), page.url
