"""Parse an HTML page into the text, links and forms that a visitor sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from machtiging.cli.demo.narrator import StoryFailed

Attributes = list[tuple[str, str | None]]
_INVISIBLE_TAGS = frozenset({"script", "style", "template", "title"})


@dataclass
class HtmlForm:
    """A form of the page: its action, its method and its current values."""

    action: str
    method: str
    values: dict[str, str | list[str]] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)

    def add_control(self, name: str, value: str, *, selected: bool = True, repeatable: bool = False) -> None:
        """Add one control of the page."""
        self.choices.setdefault(name, []).append(value)
        if not selected:
            return
        previous = self.values.get(name)
        if repeatable or previous is not None:
            # A form sends every ticked box, and every field with the same name.
            earlier = [] if previous is None else previous if isinstance(previous, list) else [previous]
            self.values[name] = [*earlier, value]
        else:
            self.values[name] = value


@dataclass
class HtmlPage:
    """The visible content of a page."""

    url: str
    text: str
    links: list[tuple[str, str]]
    forms: list[HtmlForm]
    codes: list[str]
    link_contexts: list[tuple[str, str]]

    def find_form(self, ending: str) -> HtmlForm:
        """Return the form whose action ends with `ending`. Raises StoryFailed when there is none."""
        for form in self.forms:
            if form.action.split("?")[0].endswith(ending):
                return form
        raise StoryFailed(f"een formulier naar …{ending}", f"formulieren: {[form.action for form in self.forms]}")

    def find_form_with_field(self, field_name: str) -> HtmlForm:
        """Return the form that has this field. Raises StoryFailed when there is none."""
        for form in self.forms:
            if field_name in form.choices:
                return form
        raise StoryFailed(f"een formulier dat {field_name} vraagt", f"op deze pagina: {self.text[:300]}")


class _PageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.forms: list[HtmlForm] = []
        self.codes: list[str] = []
        # Each link with its text and the text after it, up to the next link, row or paragraph.
        self.link_contexts: list[tuple[str, list[str]]] = []
        self._open_form: HtmlForm | None = None
        self._invisible_tags: list[str] = []
        self._open_textarea: str | None = None
        self._open_select: str | None = None
        self._open_link: str | None = None
        self._in_output = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in _INVISIBLE_TAGS:
            self._invisible_tags.append(tag)
        elif tag == "form":
            self._open_form = HtmlForm(attributes.get("action", ""), attributes.get("method", "get").lower())
            self.forms.append(self._open_form)
        elif tag == "a":
            self._open_link = attributes.get("href")
            self.link_contexts.append((attributes.get("href", ""), []))
        elif tag == "output":
            self._in_output = True
        elif self._open_form is not None:
            self._read_control(tag, attributes)

    def _read_control(self, tag: str, attributes: dict[str, str]) -> None:
        name = attributes.get("name")
        form = self._open_form
        if form is None:
            return
        if tag == "option" and self._open_select:
            form.add_control(self._open_select, attributes.get("value", ""), selected="selected" in attributes)
        elif name and tag == "select":
            self._open_select = name
        elif name and tag == "textarea":
            self._open_textarea = name
            form.values[name] = ""
        elif name and tag == "input":
            kind = attributes.get("type", "text")
            if kind in ("checkbox", "radio"):
                form.add_control(
                    name, attributes.get("value", "on"), selected="checked" in attributes, repeatable=kind == "checkbox"
                )
            elif kind != "submit":
                form.add_control(name, attributes.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tr", "p", "li"):
            self.link_contexts.append(("", []))
        if tag in _INVISIBLE_TAGS and self._invisible_tags:
            self._invisible_tags.pop()
        elif tag == "form":
            self._open_form = None
        elif tag == "select":
            self._open_select = None
        elif tag == "textarea":
            self._open_textarea = None
        elif tag == "a":
            self._open_link = None
        elif tag == "output":
            self._in_output = False

    def handle_data(self, data: str) -> None:
        if self._invisible_tags or not data.strip():
            return
        text = " ".join(data.split())
        self.words.append(text)
        if self.link_contexts:
            self.link_contexts[-1][1].append(text)
        if self._in_output:
            self.codes.append(text)
        if self._open_link:
            self.links.append((self._open_link, text))
        if self._open_textarea and self._open_form is not None:
            self._open_form.values[self._open_textarea] = data.strip("\n")


def parse_page(html: str, url: str) -> HtmlPage:
    """Parse HTML into a page."""
    reader = _PageParser()
    reader.feed(html)
    trails = [(href, " ".join(words)) for href, words in reader.link_contexts if href]
    return HtmlPage(url, " ".join(reader.words), reader.links, reader.forms, reader.codes, trails)
