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

from machtiging.cli.demo.html import Form, Page, parse
from machtiging.cli.demo.telling import StoryFailed

_MOST_REDIRECTS = 12


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass
class Browser:
    """The browser of one person. Follows redirects only to `allowed_origins`."""

    http: httpx.AsyncClient
    known: frozenset[str]
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    page: Page = field(default_factory=lambda: parse("", ""))
    status: int = 0
    url: str = ""

    async def open(self, url: str, *, expect: int = 200) -> Page:
        """Open an address."""
        return await self._go("GET", url, None, expect)

    async def submit(self, form: Form, values: Mapping[str, str | list[str]], *, expect: int = 200) -> Page:
        """Submit a form of this page. Fields without a new value keep the value of the page."""
        data: dict[str, str | list[str]] = {**form.values, **values}
        target = urljoin(self.url, form.action or self.url)
        if form.method == "get":
            return await self._go("GET", str(httpx.URL(target).copy_merge_params(data)), None, expect)
        return await self._go("POST", target, data, expect)

    async def _go(self, method: str, url: str, data: dict[str, str | list[str]] | None, expect: int) -> Page:
        for _ in range(_MOST_REDIRECTS):
            response = await self._send(method, url, data)
            self._keep_cookies(url, response)
            if not response.is_redirect:
                return self._arrive(url, response, expect)
            target = urljoin(url, response.headers["location"])
            if origin_of(target) not in self.known:
                self.url, self.status, self.page = target, response.status_code, parse("", target)
                return self.page
            # As in browsers: 307 and 308 send the form again, every other redirect becomes a GET.
            if response.status_code not in (307, 308):
                method, data = "GET", None
            url = target
        raise StoryFailed("een pagina", f"meer dan {_MOST_REDIRECTS} doorverwijzingen bij {url}")

    async def _send(self, method: str, url: str, data: dict[str, str | list[str]] | None) -> httpx.Response:
        headers = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "nl"}
        jar = self.cookies.get(origin_of(url), {})
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        here = origin_of(self.url) if self.url else None
        if method == "POST":
            headers["Origin"] = here or origin_of(url)
        headers["Sec-Fetch-Site"] = "none" if here is None else _site(here, origin_of(url))
        headers["Sec-Fetch-Mode"] = "navigate"
        return await self.http.request(method, url, data=data, headers=headers, follow_redirects=False)

    def _keep_cookies(self, url: str, response: httpx.Response) -> None:
        jar = self.cookies.setdefault(origin_of(url), {})
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value == "" or morsel["max-age"] == "0":
                    jar.pop(name, None)
                else:
                    jar[name] = morsel.value

    def _arrive(self, url: str, response: httpx.Response, expect: int) -> Page:
        self.url, self.status = url, response.status_code
        self.page = parse(response.text, url)
        if response.status_code != expect:
            raise StoryFailed(
                f"status {expect} op {_path(url)}", f"status {response.status_code}: {self.page.text[:300]}"
            )
        return self.page


def _site(here: str, there: str) -> str:
    if here == there:
        return "same-origin"
    # Browsers ignore the port when they compare sites.
    return "same-site" if urlsplit(here).hostname == urlsplit(there).hostname else "cross-site"


def _path(url: str) -> str:
    return urlsplit(url).path
