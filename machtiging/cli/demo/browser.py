"""A small browser without JavaScript: cookies, redirects, links and forms.

It stores cookies itself. HTTP libraries do not send `Secure` cookies to http://localhost, but browsers do: they trust
loopback, so `__Host-` cookies work there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit

import httpx

from machtiging.cli.demo.html import HtmlForm, HtmlPage, parse_page
from machtiging.cli.demo.narrator import StoryFailed

_MAX_REDIRECTS = 12


def get_origin(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass
class Browser:
    """The browser of one person. Follows redirects only to `allowed_origins`."""

    http: httpx.AsyncClient
    allowed_origins: frozenset[str]
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    page: HtmlPage = field(default_factory=lambda: parse_page("", ""))
    status: int = 0
    url: str = ""

    async def open_page(self, url: str, *, expected_status: int = 200) -> HtmlPage:
        """Open an address."""
        return await self._navigate_to("GET", url, None, expected_status)

    async def submit_form(
        self, form: HtmlForm, values: Mapping[str, str | list[str]], *, expected_status: int = 200
    ) -> HtmlPage:
        """Submit a form of this page. Fields without a new value keep the value of the page."""
        data: dict[str, str | list[str]] = {**form.values, **values}
        target = urljoin(self.url, form.action or self.url)
        if form.method == "get":
            return await self._navigate_to("GET", str(httpx.URL(target).copy_merge_params(data)), None, expected_status)
        return await self._navigate_to("POST", target, data, expected_status)

    async def _navigate_to(
        self, method: str, url: str, data: dict[str, str | list[str]] | None, expected_status: int
    ) -> HtmlPage:
        for _ in range(_MAX_REDIRECTS):
            response = await self._send_request(method, url, data)
            self._store_cookies(url, response)
            if not response.is_redirect:
                return self._read_response(url, response, expected_status)
            target = urljoin(url, response.headers["location"])
            if get_origin(target) not in self.allowed_origins:
                self.url, self.status, self.page = target, response.status_code, parse_page("", target)
                return self.page
            # As in browsers: 307 and 308 send the form again, every other redirect becomes a GET.
            if response.status_code not in (307, 308):
                method, data = "GET", None
            url = target
        raise StoryFailed("een pagina", f"meer dan {_MAX_REDIRECTS} doorverwijzingen bij {url}")

    async def _send_request(self, method: str, url: str, data: dict[str, str | list[str]] | None) -> httpx.Response:
        headers = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "nl"}
        jar = self.cookies.get(get_origin(url), {})
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        here = get_origin(self.url) if self.url else None
        if method == "POST":
            headers["Origin"] = here or get_origin(url)
        headers["Sec-Fetch-Site"] = "none" if here is None else _compute_sec_fetch_site(here, get_origin(url))
        headers["Sec-Fetch-Mode"] = "navigate"
        return await self.http.request(method, url, data=data, headers=headers, follow_redirects=False)

    def _store_cookies(self, url: str, response: httpx.Response) -> None:
        jar = self.cookies.setdefault(get_origin(url), {})
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value == "" or morsel["max-age"] == "0":
                    jar.pop(name, None)
                else:
                    jar[name] = morsel.value

    def _read_response(self, url: str, response: httpx.Response, expected_status: int) -> HtmlPage:
        self.url, self.status = url, response.status_code
        self.page = parse_page(response.text, url)
        if response.status_code != expected_status:
            raise StoryFailed(
                f"status {expected_status} op {_get_path(url)}",
                f"status {response.status_code}: {self.page.text[:300]}",
            )
        return self.page


def _compute_sec_fetch_site(origin: str, target_origin: str) -> str:
    if origin == target_origin:
        return "same-origin"
    # Browsers ignore the port when they compare sites.
    return "same-site" if urlsplit(origin).hostname == urlsplit(target_origin).hostname else "cross-site"


def _get_path(url: str) -> str:
    return urlsplit(url).path
