"""Walk all pages that links lead to, and check each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from tests.parties.npm_packages import PLACE

MOST_PAGES = 60
SMALLEST_TARGET = 44
# The pages of one operation of the API differ in their text only.
API_OPERATION = re.compile(r"^/docs/\w+$")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AXE = PLACE / "node_modules" / "axe-core" / "axe.min.js"
# The rules of WCAG 2.2 AA, and axe's best practices.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def walk(page, start: str, *, most: int = MOST_PAGES) -> Iterator[str]:
    """Open each page that links lead to from here, one for each route. Yields after each load."""
    home = urlsplit(start)
    waiting, routes = [start], set()
    while waiting and len(routes) < most:
        url = waiting.pop(0)
        route = API_OPERATION.sub("/docs/{operation}", UUID.sub("{id}", urlsplit(url).path))
        if route in routes:
            continue
        answer = page.goto(url)
        routes.add(route)
        assert answer is None or answer.status < 500, f"{url}: {answer.status}"
        if answer is None or not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        yield url
        links = page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))")
        for href in links:
            target = urlsplit(urljoin(url, href))
            if target.netloc == home.netloc and not _is_file_or_logout(target.path):
                waiting.append(target._replace(fragment="").geturl())


def _is_file_or_logout(path: str) -> bool:
    return (
        "/bijlagen/" in path or path.startswith(("/inloggen", "/api/", "/static/")) or path.endswith((".csv", ".pdf"))
    )


def find_axe_violations(page) -> list[str]:
    """Return what axe finds on the open page: WCAG 2.2 AA and best practices."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES
    )
    return [
        f"{one['id']}: {node['target']} {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]
    ]


def find_small_targets(page) -> list[str]:
    """Return buttons, inputs and links that are too low to press. A link inside a sentence is exempt (WCAG 2.5.8)."""
    return page.evaluate(
        """smallest => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
          .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.matches(".m-skip"))
          .map(one => {
            const label = one.matches("[type=radio], [type=checkbox]") ? one.labels[0] : null;
            return {one: label ?? one, box: (label ?? one).getBoundingClientRect()};
          })
          .filter(({one, box}) => {
            const inSentence = one.matches("a") && getComputedStyle(one).display === "inline";
            return !inSentence && (box.height < smallest - 0.5 || box.width < 24);
          })
          .map(({one, box}) => `${Math.round(box.width)}x${Math.round(box.height)} ${one.outerHTML.slice(0, 120)}`)""",
        SMALLEST_TARGET,
    )


def page_overflow(page) -> int:
    """Return by how many pixels the page is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
