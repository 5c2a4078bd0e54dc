"""Parse an HTML page into the text, links and forms that a visitor sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from machtiging.cli.demo.telling import StoryFailed

Attributes = list[tuple[str, str | None]]
_SILENT = frozenset({"script", "style", "title"})


@dataclass
class Form:
    """A form of the page: its action, its method and its current values."""

    action: str
    method: str
    values: dict[str, str | list[str]] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)

    def fill(self, name: str, value: str, *, ticked: bool = True, many: bool = False) -> None:
        """Add one control of the page."""
        self.choices.setdefault(name, []).append(value)
        if not ticked:
            return
        kept = self.values.get(name)
        if many or kept is not None:
            # A form sends every ticked box, and every field with the same name.
            earlier = [] if kept is None else kept if isinstance(kept, list) else [kept]
            self.values[name] = [*earlier, value]
        else:
            self.values[name] = value


@dataclass
class Page:
    """The visible content of a page."""

    url: str
    text: str
    links: list[tuple[str, str]]
    forms: list[Form]
    codes: list[str]
    trails: list[tuple[str, str]]

    def form(self, ending: str) -> Form:
        """Return the form whose action ends with `ending`. Raises StoryFailed when there is none."""
        for form in self.forms:
            if form.action.split("?")[0].endswith(ending):
                return form
        raise StoryFailed(f"een formulier naar …{ending}", f"formulieren: {[form.action for form in self.forms]}")

    def form_with(self, field_name: str) -> Form:
        """Return the form that has this field. Raises StoryFailed when there is none."""
        for form in self.forms:
            if field_name in form.choices:
                return form
        raise StoryFailed(f"een formulier dat {field_name} vraagt", f"op deze pagina: {self.text[:300]}")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.codes: list[str] = []
        # Each link with its text and the text after it, up to the next link, row or paragraph.
        self.trails: list[tuple[str, list[str]]] = []
        self._open: Form | None = None
        self._inside: list[str] = []
        self._area: str | None = None
        self._select: str | None = None
        self._href: str | None = None
        self._coded = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        got = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._inside.append(tag)
        elif tag == "form":
            self._open = Form(got.get("action", ""), got.get("method", "get").lower())
            self.forms.append(self._open)
        elif tag == "a":
            self._href = got.get("href")
            self.trails.append((got.get("href", ""), []))
        elif tag == "output":
            self._coded = True
        elif self._open is not None:
            self._control(tag, got)

    def _control(self, tag: str, got: dict[str, str]) -> None:
        name = got.get("name")
        form = self._open
        if form is None:
            return
        if tag == "option" and self._select:
            form.fill(self._select, got.get("value", ""), ticked="selected" in got)
        elif name and tag == "select":
            self._select = name
        elif name and tag == "textarea":
            self._area = name
            form.values[name] = ""
        elif name and tag == "input":
            kind = got.get("type", "text")
            if kind in ("checkbox", "radio"):
                form.fill(name, got.get("value", "on"), ticked="checked" in got, many=kind == "checkbox")
            elif kind != "submit":
                form.fill(name, got.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tr", "p", "li"):
            self.trails.append(("", []))
        if tag in _SILENT and self._inside:
            self._inside.pop()
        elif tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None
        elif tag == "a":
            self._href = None
        elif tag == "output":
            self._coded = False

    def handle_data(self, data: str) -> None:
        if self._inside or not data.strip():
            return
        text = " ".join(data.split())
        self.words.append(text)
        if self.trails:
            self.trails[-1][1].append(text)
        if self._coded:
            self.codes.append(text)
        if self._href:
            self.links.append((self._href, text))
        if self._area and self._open is not None:
            self._open.values[self._area] = data.strip("\n")


def parse(html: str, url: str) -> Page:
    """Parse HTML into a page."""
    reader = _Reader()
    reader.feed(html)
    trails = [(href, " ".join(words)) for href, words in reader.trails if href]
    return Page(url, " ".join(reader.words), reader.links, reader.forms, reader.codes, trails)
