"""A person who uses the portal by mouse or by keyboard, in one language.

A journey calls only this. So one journey serves every browser, hand and screen.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from machtiging.message_catalogue import get_sentence
from tests.journeys.site_walk import find_small_targets, page_overflow

MOST_TAB_STOPS = 400
# Scripts. `find` returns the first visible element, in the content before the header and footer.
_FIND = """
const visible = one => one.checkVisibility({visibilityProperty: true});
const squeeze = text => text.replace(/\\s+/g, " ").trim();
const nameOf = one => {
  if (one.getAttribute("aria-label")) return one.getAttribute("aria-label");
  const copy = one.cloneNode(true);
  copy.querySelectorAll("[aria-hidden=true]").forEach(part => part.remove());
  return squeeze(copy.textContent);
};
const find = ({selector, name, path}) => {
  const fits = one => (name == null || nameOf(one) === name) && (path == null || one.pathname?.startsWith(path));
  const found = [...document.querySelectorAll(selector)].filter(one => visible(one) && fits(one));
  return found.find(one => one.closest("main")) ?? found[0] ?? null;
};
"""
_IS_THERE = f"wanted => {{ {_FIND} return find(wanted) !== null; }}"
# The middle of the element, or of its label. Something that lies over it makes it impossible to press.
_AIM = f"""wanted => {{ {_FIND}
  const one = find(wanted);
  one.scrollIntoView({{block: "center", behavior: "instant"}});
  const label = one.matches("[type=radio], [type=checkbox]") ? one.labels[0] : one;
  const box = [...label.getClientRects()].find(each => each.width > 0);
  const point = {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
  const top = document.elementFromPoint(point.x, point.y);
  return label.contains(top) ? point : {{covered: top?.outerHTML.slice(0, 200) ?? "outside the screen"}};
}}"""
_HAS_FOCUS = f"wanted => {{ {_FIND} return find(wanted) === document.activeElement; }}"
_IN_SAME_GROUP = f"""wanted => {{ {_FIND}
  const here = document.activeElement;
  return here.type === "radio" && here.name === find(wanted).name;
}}"""
_IS_CHECKED = f"wanted => {{ {_FIND} return find(wanted).checked; }}"
# The element with the focus: its place on the page, and if one can see that it has the focus.
_FOCUS = """() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  return {
    html: one.outerHTML.slice(0, 160), isBody: one === document.body,
    isSeen: one.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    isOnScreen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    inContent: one.closest("main") !== null,
    top: box.top + scrollY, bottom: box.bottom + scrollY, left: box.left, right: box.right,
  };
}"""


class Window(Protocol):
    """A window of a browser."""

    def open(self, url: str) -> None:
        """Load this URL."""

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Return the value of an expression, or of a function called with the argument."""

    def click(self, x: float, y: float) -> None:
        """Press the mouse at this place of the screen."""

    def key(self, name: str) -> None:
        """Press one key."""

    def write(self, text: str) -> None:
        """Type this text into the element with the focus."""

    def navigate(self, act: Any) -> None:
        """Do this, and wait until the next page is there."""

    def download(self, act: Any) -> bytes:
        """Do this, and return the file that the browser saves."""


@dataclass
class BrowserUser:
    """A person who uses the portal. `keyboard`: without a mouse. `strict`: check every page on arrival."""

    window: Window
    site: str
    language: str = "nl"
    keyboard: bool = False
    strict: bool = True
    remarks: list[str] = field(default_factory=list)

    def log_in(self, persona: str) -> None:
        """Log in as this persona of the practice world."""
        self.window.open(f"{self.site}/inloggen?login_hint={persona}")
        assert self.address.startswith(self.site + "/"), self.address
        self.look()

    def open(self, path: str) -> None:
        """Type an address."""
        self.window.open(self.site + path)
        self.look()

    def press(self, key: str, about: str = "", **params: object) -> None:
        """Press the button with this sentence, in the row `about` somebody; a page follows."""
        self._act({"selector": "button", "name": f"{self._words(key, **params)} {about}".strip()}, "Enter")

    def follow(self, key: str, **params: object) -> None:
        """Follow the link with this sentence."""
        self._act({"selector": "a[href]", "name": self._words(key, **params)}, "Enter")

    def follow_to(self, path: str) -> None:
        """Follow the first link to an address that begins so."""
        self._act({"selector": "a[href]", "path": path}, "Enter")

    def open_menu(self, key: str) -> None:
        """Choose from the menu, which is folded on a small screen."""
        item = {"selector": ".m-menu a", "name": self._words(key)}
        if not self.window.evaluate(_IS_THERE, item):
            self._touch({"selector": "summary", "name": self._words("frame.menu.title")}, "Enter")
        self._act(item, "Enter")

    def unfold(self, key: str, **params: object) -> None:
        """Open the fold with this sentence."""
        self._touch({"selector": "summary", "name": self._words(key, **params)}, "Enter")

    def unfold_within_content(self) -> None:
        """Open the first fold of the page itself."""
        self._touch({"selector": "main summary"}, "Enter")

    def choose(self, name: str, value: str) -> None:
        """Choose one of a group, or tick a box."""
        wanted = {"selector": f'input[name="{name}"][value="{value}"]'}
        if not self.window.evaluate(_IS_CHECKED, wanted):
            self._touch(wanted, "Space")
        assert self.window.evaluate(_IS_CHECKED, wanted), f"{name} {value} is not chosen"

    def untick(self, name: str, value: str) -> None:
        """Take the tick off a box."""
        wanted = {"selector": f'input[name="{name}"][value="{value}"]'}
        assert self.window.evaluate(_IS_CHECKED, wanted)
        self._touch(wanted, "Space")
        assert not self.window.evaluate(_IS_CHECKED, wanted)

    def write(self, name: str, text: str) -> None:
        """Type into the empty text field with this name."""
        self._touch({"selector": f'input[type=text][name="{name}"]'}, "")
        self.window.write(text)

    def pick(self, name: str, option: str) -> None:
        """Pick from a list by typing how the option begins."""
        self.window.evaluate("name => document.querySelector(`select[name=${name}]`).focus()", name)
        self.window.write(option)
        script = "name => document.querySelector(`select[name=${name}]`).selectedOptions[0].text"
        assert self.window.evaluate(script, name) == option

    def save_file(self) -> bytes:
        """Follow the first link to a file; returns what was saved."""
        return self.window.download(lambda: self._touch({"selector": "main a[download]"}, "Enter"))

    @property
    def address(self) -> str:
        """The URL of the page."""
        return self.window.evaluate("location.href")

    @property
    def path(self) -> str:
        """The path of the page."""
        return self.window.evaluate("location.pathname")

    @property
    def heading(self) -> str:
        """The main heading."""
        return self.window.evaluate("document.querySelector('h1').innerText")

    @property
    def content(self) -> str:
        """The text of the page without header and footer, on one line."""
        return re.sub(r"\s+", " ", self.window.evaluate("document.querySelector('main').innerText")).strip()

    def text_of(self, selector: str) -> str:
        """The text of one element."""
        return self.window.evaluate("selector => document.querySelector(selector).innerText", selector).strip()

    def value_of(self, name: str) -> str:
        """The content of a text field."""
        return self.window.evaluate("name => document.getElementsByName(name)[0].value", name)

    def expect(self, key: str, **params: object) -> None:
        """Fail unless the content has this sentence."""
        assert self._words(key, **params) in self.content, f"{self._words(key, **params)!r} not in {self.content}"

    def expect_not(self, key: str, **params: object) -> None:
        """Fail if the content has this sentence."""
        assert self._words(key, **params) not in self.content, self.content

    def expect_heading(self, key: str, **params: object) -> None:
        """Fail unless this sentence is the heading."""
        assert self.heading == self._words(key, **params), f"{self.heading!r} at {self.address}"

    def _wait_for_focus(self, element_id: str) -> None:
        # Without a script the attribute `autofocus` moves the focus, when the browser draws the page.
        deadline = time.monotonic() + 10
        while (focused := self.window.evaluate("document.activeElement.id")) != element_id:
            assert time.monotonic() < deadline, f"the focus is on {focused!r}"
            time.sleep(0.05)

    def expect_faults(self, *names: str) -> None:
        """Fail unless the summary has the focus and leads to these fields, and nothing else."""
        links = self.window.evaluate("[...document.querySelectorAll('#fouten a')].map(one => one.hash.slice(1))")
        assert links == list(names), (links, self.content)
        self._wait_for_focus("fouten")
        assert self.window.evaluate("document.title").startswith(self._words("frame.fault"))

    def look(self) -> None:
        """Check what holds on every page, and remember what does not."""
        if not self.strict:
            return
        page = self.path
        title, has_faults = self.window.evaluate("[document.title, document.querySelector('#fouten') !== null]")
        if title.startswith(self._words("frame.fault")) != has_faults:
            self.remarks.append(f"{page}: the title is {title!r}")
        if self.window.evaluate("document.documentElement.lang") != self.language:
            self.remarks.append(f"{page}: not in {self.language}")
        if self.window.evaluate("document.querySelectorAll('h1').length") != 1:
            self.remarks.append(f"{page}: not one heading")
        if (overflow := page_overflow(self.window)) > 0:
            self.remarks.append(f"{page}: {overflow} px wider than the screen")
        self.remarks += [f"{page}: {target}" for target in find_small_targets(self.window)]

    def _words(self, key: str, **params: object) -> str:
        return get_sentence(key, self.language, **params)

    def _act(self, wanted: dict[str, str], key: str) -> None:
        self.window.navigate(lambda: self._touch(wanted, key))
        self.look()

    def _touch(self, wanted: dict[str, str], key: str) -> None:
        assert self.window.evaluate(_IS_THERE, wanted), f"{wanted} is not at {self.address}: {self.content}"
        if self.keyboard:
            self._tab_to(wanted)
            is_chosen = key == "Space" and self.window.evaluate(_IN_SAME_GROUP, wanted)
            if key and not (is_chosen and self.window.evaluate(_IS_CHECKED, wanted)):
                self.window.key(key)
            return
        point = self.window.evaluate(_AIM, wanted)
        assert "covered" not in point, f"{wanted} lies under {point}"
        self.window.click(point["x"], point["y"])

    def _tab_to(self, wanted: dict[str, str]) -> None:
        """Tab to an element. In a group of radio buttons the arrows go on."""
        before = None
        for _ in range(MOST_TAB_STOPS):
            if self.window.evaluate(_HAS_FOCUS, wanted):
                return
            if self.window.evaluate(_IN_SAME_GROUP, wanted):
                self.window.key("ArrowDown")
                continue
            self.window.key("Tab")
            focus = self.window.evaluate(_FOCUS)
            if self.strict and not focus["isBody"]:
                self._judge_focus(before, focus)
            before = focus
        raise AssertionError(f"the keyboard does not reach {wanted} at {self.address}")

    def _judge_focus(self, before: dict[str, Any] | None, focus: dict[str, Any]) -> None:
        if not focus["isSeen"]:
            self.remarks.append(f"{self.path}: the focus cannot be seen on {focus['html']}")
        if not focus["isOnScreen"]:
            self.remarks.append(f"{self.path}: the focus is outside the screen on {focus['html']}")
        if before is None or not (before["inContent"] and focus["inContent"]):
            return
        if focus["bottom"] <= before["top"] and focus["left"] < before["right"]:
            self.remarks.append(f"{self.path}: the focus goes back from {before['html']} to {focus['html']}")
