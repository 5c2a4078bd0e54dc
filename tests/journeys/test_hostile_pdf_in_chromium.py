"""Hostile PDFs opened inline in a real Chromium, in the session of the citizen (docs/decisions/0020).

The service runs under TLS with its own name, so that cookies and origins are those of an installation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.assurance import Assurance
from tests.builders.letters import UWV, BerichtenboxWorld, build_upload_parts, make_api_world, make_bericht
from tests.builders.people import ISSUER, start_login_session
from tests.builders.portal import Portal, make_portal
from tests.builders.rows import BERICHTEN, BIJLAGEN, LOGIN_SESSIONS
from tests.builders.server import make_certificate_authority
from tests.journeys.conftest import CHROMIUM, FLAGS
from tests.journeys.hostile_pdf import make_hostile_pdf

pytestmark = [pytest.mark.browser, pytest.mark.long]
HOST = urlsplit(ISSUER).netloc
ACTIONS = {
    "javascript": "<< /S /JavaScript /JS (try{{app.launchURL\\('{url}'\\)}}catch\\(e\\){{}} "
    "try{{this.submitForm\\('{url}'\\)}}catch\\(e\\){{}} try{{this.getURL\\('{url}'\\)}}catch\\(e\\){{}} "
    "try{{Net.HTTP.request\\({{cVerb:'POST',cURL:'{url}'}}\\)}}catch\\(e\\){{}}) >>",
    "submit form": "<< /S /SubmitForm /F << /FS /URL /F ({url}) >> /Flags 4 >>",
    "launch": "<< /S /Launch /F ({url}) /NewWindow true >>",
    "remote document": "<< /S /GoToR /F << /FS /URL /F ({url}) >> /D [0 /Fit] >>",
    "javascript url": "<< /S /URI /URI (javascript:fetch\\('{url}',{{method:'POST'}}\\)) >>",
    "url": "<< /S /URI /URI ({url}) >>",
}


@dataclass
class PdfSite:
    """The running service, its database world, and each request it received."""

    portal: Portal
    world: BerichtenboxWorld
    port: int
    requests: list[tuple[str, str]] = field(default_factory=list)

    def unexpected_requests(self, path: str) -> list[tuple[str, str]]:
        """The requests beside the attachment itself and the icon that Chromium asks for."""
        return [each for each in self.requests if each not in (("GET", path), ("GET", "/favicon.ico"))]


@pytest.fixture
async def site(database, clock) -> AsyncIterator[PdfSite]:
    portal, world = await make_portal(database, clock), await make_api_world(database, clock)
    assert world.citizen == portal.people.mother
    running = PdfSite(portal, world, 0)

    async def recording(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            running.requests.append((scope["method"], scope["path"]))
        await portal.app(scope, receive, send)

    config = uvicorn.Config(recording, host="127.0.0.1", port=0, lifespan="off", log_level="error")
    config.load()
    config.ssl = make_certificate_authority().server_context(HOST)
    server = uvicorn.Server(config)
    with contextlib.suppress(asyncio.CancelledError):
        serving = asyncio.create_task(server.serve())
        for _ in range(200):
            if server.started:
                break
            await asyncio.sleep(0.05)
        running.port = server.servers[0].sockets[0].getsockname()[1]
        yield running
        server.should_exit = True
        await serving
    await portal.close()


@pytest.fixture
async def context(site) -> AsyncIterator[BrowserContext]:
    """A window of the logged-in citizen, in a Chromium that shows PDFs."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install the Debian package chromium")
    # The checks of local addresses would hide what the service itself refuses.
    flags = ["--headless=new", "--ignore-certificate-errors", f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{site.port}"]
    flags.append("--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessSendPreflights")
    hidden = ["--headless", "--disable-extensions", "--disable-component-extensions-with-background-pages"]
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], ignore_default_args=hidden
        )
        opened = await browser.new_context(
            ignore_https_errors=True, locale="nl-NL", viewport={"width": 800, "height": 800}
        )
        token = await start_login_session(
            site.portal.app.state.services, site.world.citizen, Assurance.SUBSTANTIAL, None
        )
        cookie = {"name": SESSION_COOKIE, "value": token, "url": ISSUER, "secure": True, "httpOnly": True}
        await opened.add_cookies([{**cookie, "sameSite": "Lax"}])
        yield opened
        await browser.close()


async def open_inline(site: PdfSite, context: BrowserContext, pdf: bytes) -> tuple[Page, str]:
    """Deliver the PDF and open it from its letter; returns tab and path."""
    letter = await site.world.deliver_letter(("brief.pdf", pdf, "application/pdf"))
    bijlage = await BIJLAGEN.read_value(site.world, "id", bericht_id=letter)
    page = await context.new_page()
    await page.goto(f"{ISSUER}/brieven/{letter}")
    site.requests.clear()
    async with context.expect_page() as opening:
        await page.get_by_role("link", name="Openen in een nieuw tabblad").click()
    tab = await opening.value
    tab.on("dialog", lambda dialog: asyncio.ensure_future(dialog.dismiss()))
    await show_viewer(tab)
    return tab, f"/brieven/{letter}/bijlagen/{bijlage}"


async def show_viewer(tab: Page) -> None:
    """Wait until the viewer of Chromium shows the document, and its actions on opening ran."""
    for _ in range(100):
        if any(frame.url.startswith("chrome-extension://") for frame in tab.frames):
            await asyncio.sleep(2)
            return
        await asyncio.sleep(0.1)
    raise AssertionError([frame.url for frame in tab.frames])


async def state_of(site: PdfSite) -> tuple[str, int]:
    """The letters, and the sessions that still live."""
    return await BERICHTEN.dump(site.world), await LOGIN_SESSIONS.count(site.world, ended_at=None)


@pytest.mark.parametrize("action", ACTIONS)
async def test_hostile_pdf_opened_inline_reaches_nothing(site, context, action):
    victim = await site.world.deliver_letter()
    target = f"{ISSUER}/brieven/{victim}/ongelezen"
    tab, path = await open_inline(site, context, make_hostile_pdf(ACTIONS[action].format(url=target)))
    before = await state_of(site)
    assert site.unexpected_requests(path) == []
    for place in ((400, 600), (400, 300)):  # the button and the link of the document
        await tab.mouse.click(*place)
        await asyncio.sleep(1.5)
    # A link opens a page of ours, as a link in any mail does. A GET changes nothing.
    reached = [each for each in site.unexpected_requests(path) if not each[1].startswith("/static/")]
    assert reached == ([("GET", urlsplit(target).path)] if action == "url" else [])
    assert await state_of(site) == before
    assert await site.world.reasons("bericht:markeren") == []


async def test_hostile_pdf_has_no_opener_and_no_frame(site, context):
    tab, _ = await open_inline(site, context, make_hostile_pdf(ACTIONS["javascript"].format(url=ISSUER)))
    assert await tab.evaluate("window.opener") is None
    page = await context.new_page()
    await page.goto("about:blank")
    await page.set_content(
        f'<iframe src="{tab.url}"></iframe><embed src="{tab.url}"><object data="{tab.url}"></object>'
    )
    await asyncio.sleep(2)
    assert not any(frame.url.startswith("chrome-extension://") for frame in page.frames)


async def test_pdf_with_html_inside_is_shown_as_a_pdf(site, context):
    html = f"%<html><body><script>fetch('{ISSUER}/hit',{{method:'POST'}})</script></body></html>\n"
    tab, path = await open_inline(site, context, make_hostile_pdf(ACTIONS["launch"].format(url="x"), comment=html))
    assert site.unexpected_requests(path) == []
    assert await tab.evaluate("document.contentType") == "application/pdf"


async def test_file_that_begins_as_html_is_refused_at_delivery(site):
    pdf = b"<html><script>alert(1)</script>" + make_hostile_pdf(ACTIONS["launch"].format(url="x"))
    async with site.world.client(await site.world.issue_token(oin=UWV)) as client:
        parts = build_upload_parts(make_bericht(), ("brief.pdf", pdf, "application/pdf"))
        answer = await client.post("/api/v1/aanleveringen", files=parts)
    assert answer.status_code == 415
    assert await BIJLAGEN.count(site.world) == 0
