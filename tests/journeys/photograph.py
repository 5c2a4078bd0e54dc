"""Photograph every page of the practice world for `docs/screens/` (`make screens`).

The pages are those that links lead to, and those on the way of the journeys: steps, faults, checks and confirmations.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.journeys.browser_user import BrowserUser
from tests.journeys.chromium_window import ChromiumWindow
from tests.journeys.conftest import CHROMIUM, FLAGS, ROOT, Installation
from tests.journeys.portal_journeys import JOURNEYS
from tests.journeys.site_walk import UUID, walk
from tests.journeys.work_journeys import WORK_JOURNEYS

SCREENS = ROOT / "docs" / "screens"
DESKTOP, PHONE = 1280, 375
# Pixels of the picture for one of the page, and the quality of WebP: the whole folder stays small.
SCALES = {DESKTOP: 0.6, PHONE: 0.8}
QUALITY, HIGHEST = 40, 2600
# Who walks through the pages, by persona. Nobody is logged in at first.
WALKERS = {
    "": "Nobody is logged in",
    "vertegenwoordigde": "Riet, a citizen",
    "naaste": "Bram, her helper",
    "raadslid": "Fatima, a social worker and the administrator of her office",
    "beheerder": "Saskia, an operator of the service",
    "auditor": "Willemijn, the auditor",
    "bestuurder": "Yvonne, the director of a business",
    "toezichthouder": "Marijke, who sees who read what at the office",
    "controleur": "Sanne, who checks codes at an agency",
}
FILE_NAMES = {
    "": "public",
    "vertegenwoordigde": "riet",
    "naaste": "bram",
    "raadslid": "fatima",
    "beheerder": "saskia",
    "auditor": "willemijn",
    "bestuurder": "yvonne",
    "toezichthouder": "marijke",
    "controleur": "sanne",
}
# A journey also logs in as these. Their pages are among those of another.
SAME_PAGES = {"tweede-beheerder": "beheerder", "team-beheerder": "raadslid"}


@dataclass
class Picture:
    """A page in two sizes."""

    title: str
    route: str
    name: str


@dataclass
class PhotoAlbum:
    """The pictures of each walker, each page once."""

    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    seen: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, page: Any, walker: str) -> None:
        """Photograph the open page, unless the same page was photographed before."""
        route = UUID.sub("{id}", urlsplit(page.url).path)
        title = page.title().rpartition(" - ")[0]
        key = (walker if route == "/" or route.startswith("/ik-help") else "", route, _kind_of(page))
        if key in self.seen:
            return
        self.seen.add(key)
        name = f"{FILE_NAMES[walker]}-{len(self.pictures.get(walker, [])) + 1:02}"
        self.pictures.setdefault(walker, []).append(Picture(title, route, name))
        for width in (DESKTOP, PHONE):
            (SCREENS / f"{name}-{width}.webp").write_bytes(_take_picture(page, width))

    def write_index(self) -> None:
        """Write the page that shows all pictures."""
        lines = [
            "# Screens",
            "",
            "Every page of the portal in the practice world. `make screens` makes this folder.",
            "",
        ]
        for walker, pictures in self.pictures.items():
            lines += [f"## {WALKERS[walker]}", "", "| page | desktop | phone |", "|---|---|---|"]
            for one in pictures:
                title = one.title.replace("|", "\\|")
                small, large = (f"[{width} px]({one.name}-{width}.webp)" for width in (PHONE, DESKTOP))
                lines.append(f"| {title} (`{one.route}`) | {large} | {small} |")
            lines.append("")
        (SCREENS / "README.md").write_text("\n".join(lines))


@dataclass
class Photographer(BrowserUser):
    """A person who photographs every page on the way."""

    album: PhotoAlbum = field(default_factory=PhotoAlbum)
    walker: str = ""

    def log_in(self, persona: str) -> None:
        """Log in as this persona, and photograph in the part of this persona."""
        key = persona.partition("@")[0]
        self.walker = SAME_PAGES.get(key, key)
        super().log_in(persona)

    def look(self) -> None:
        """Photograph the page."""
        assert isinstance(self.window, ChromiumWindow)
        self.album.add(self.window.page, self.walker)


def _kind_of(page: Any) -> str:
    """Return what distinguishes the pages of one route: faults or the heading. Letters and lists are alike."""
    kinds = {"faults": "#fouten", "letter": "article.m-letter", "letters": "header:has(.m-behalf) + main .m-list"}
    found = [kind for kind, selector in kinds.items() if page.locator(selector).count()]
    return found[0] if found else page.inner_text("h1")


def _take_picture(page: Any, width: int) -> bytes:
    page.set_viewport_size({"width": width, "height": 900})
    height = min(HIGHEST, page.evaluate("document.documentElement.scrollHeight"))
    area = {"x": 0, "y": 0, "width": width, "height": height, "scale": SCALES[width]}
    session = page.context.new_cdp_session(page)
    taken = session.send(
        "Page.captureScreenshot",
        {"format": "webp", "quality": QUALITY, "clip": area, "captureBeyondViewport": True},
    )
    session.detach()
    page.set_viewport_size({"width": DESKTOP, "height": 900})
    return base64.b64decode(taken["data"])


def _photograph(browser: Any, site: str) -> PhotoAlbum:
    album = PhotoAlbum()

    def open_page() -> Any:
        return browser.new_context(locale="nl-NL", viewport={"width": DESKTOP, "height": 900}).new_page()

    for walker in WALKERS:
        page = open_page()
        if walker:
            page.goto(f"{site}/inloggen?login_hint={walker}")
        for _ in walk(page, site + "/"):
            album.add(page, walker)
        page.context.close()
    for journey in (JOURNEYS | WORK_JOURNEYS).values():
        page, background = open_page(), open_page()
        journey(
            Photographer(ChromiumWindow(page), site, album=album),
            BrowserUser(ChromiumWindow(background), site, strict=False),
        )
        page.context.close()
        background.context.close()
    return album


def main() -> None:
    """Start the practice world, photograph it, and write the index."""
    from playwright.sync_api import sync_playwright

    installation = Installation(Path(tempfile.mkdtemp(prefix="machtiging-screens-")))
    installation.start()
    shutil.rmtree(SCREENS, ignore_errors=True)
    SCREENS.mkdir(parents=True)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            _photograph(browser, installation.url).write_index()
            browser.close()
    finally:
        installation.stop()
        shutil.rmtree(installation.place, ignore_errors=True)


if __name__ == "__main__":
    main()
