"""The browser of the story: pages, forms, cookies and redirects as in a web browser."""

import httpx
import pytest

from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import parse_page
from machtiging.cli.demo.narrator import StoryFailed, check_step

FORM = """
<title>Niet te zien</title><p>Vul in:</p>
<form method="post" action="/stuur">
<input type="hidden" name="csrf" value="abc">
<input type="hidden" name="af" value="1"><input type="hidden" name="af" value="2">
<input name="doel" value="a &amp; b"><input type="checkbox" name="vink" value="x" checked>
<input type="checkbox" name="vink" value="y"><input type="radio" name="kies" value="1">
<input type="radio" name="kies" value="2" checked><textarea name="tekst">hallo</textarea>
<select name="land"><option value="nl">NL</option><option value="be" selected>BE</option></select>
<button name="knop" value="ja">Ja</button></form><output>7K2MP-X4T9C</output>
<script>var geheim = "nee";</script>
"""


def test_form_values_on_page_are_submitted():
    form = parse_page(FORM, "http://a/").find_form("/stuur")
    assert form.method == "post"
    assert form.values == {
        "csrf": "abc", "af": ["1", "2"], "doel": "a & b", "vink": ["x"], "kies": "2", "tekst": "hallo", "land": "be",
    }  # fmt: skip


def test_page_text_is_the_visible_text():
    page = parse_page(FORM, "http://a/")
    assert "Vul in:" in page.text
    assert "Niet te zien" not in page.text
    assert "geheim" not in page.text
    assert page.codes == ["7K2MP-X4T9C"]


def test_missing_form_fails_the_story():
    with pytest.raises(StoryFailed, match="een formulier naar …/elders"):
        parse_page(FORM, "http://a/").find_form("/elders")


def test_failed_expectation_reports_expected_and_actual():
    with pytest.raises(StoryFailed) as failed:
        check_step(condition=False, expected="200", got=404)
    assert (failed.value.expected, failed.value.got) == ("200", "404")


def server(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/zet":
        headers = [("set-cookie", "__Host-sessie=geheim; Secure; HttpOnly; Path=/"), ("location", "/toon")]
        return httpx.Response(303, headers=headers)
    if request.url.path == "/weg":
        return httpx.Response(303, headers={"set-cookie": "__Host-sessie=; Max-Age=0; Path=/", "location": "/toon"})
    if request.url.path == "/rond":
        return httpx.Response(303, headers={"location": "/rond"})
    if request.url.path == "/app":
        return httpx.Response(303, headers={"location": "https://elders.example/terug?code=1"})
    told = " ".join(f"{name}={request.headers.get(name, '')}" for name in ("cookie", "origin", "sec-fetch-site"))
    return httpx.Response(200, text=f"<p>{request.method} {told}</p><form method=post action=/toon></form>")


@pytest.fixture
async def demo_browser():
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        yield Browser(http, frozenset({"http://localhost:1"}))


async def test_secure_cookie_on_localhost_is_kept(demo_browser):
    page = await demo_browser.open_page("http://localhost:1/zet")
    assert "GET cookie=__Host-sessie=geheim" in page.text


async def test_cookie_is_sent_to_its_own_origin_only(demo_browser):
    await demo_browser.open_page("http://localhost:1/zet")
    page = await Browser(demo_browser.http, frozenset({"http://localhost:2"}), demo_browser.cookies).open_page(
        "http://localhost:2/toon"
    )
    assert "cookie= " in page.text


async def test_expired_cookie_is_removed(demo_browser):
    await demo_browser.open_page("http://localhost:1/zet")
    assert "cookie= " in (await demo_browser.open_page("http://localhost:1/weg")).text


async def test_form_submission_sends_origin_and_sec_fetch_site(demo_browser):
    page = await demo_browser.open_page("http://localhost:1/toon")
    sent = await demo_browser.submit_form(page.find_form("/toon"), {})
    assert "POST cookie= origin=http://localhost:1 sec-fetch-site=same-origin" in sent.text


async def test_redirect_to_another_site_is_not_followed(demo_browser):
    await demo_browser.open_page("http://localhost:1/app")
    assert demo_browser.url == "https://elders.example/terug?code=1"


async def test_redirect_loop_fails_the_story(demo_browser):
    with pytest.raises(StoryFailed, match="doorverwijzingen"):
        await demo_browser.open_page("http://localhost:1/rond")


async def test_unexpected_status_fails_the_story(demo_browser):
    with pytest.raises(StoryFailed, match="status 404"):
        await demo_browser.open_page("http://localhost:1/toon", expected_status=404)
