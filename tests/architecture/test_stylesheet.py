"""Classes of templates exist in the built stylesheet, and icons in the sprite."""

import re

from machtiging.web.frame.assets import STATIC_DIRECTORY, asset_url
from tests.architecture.sources import PACKAGE

TEMPLATES = sorted(PACKAGE.rglob("templates/*.html"))
# Without a rule of their own: what other rules, the script or the tests find an element by.
HOOKS = {"m-print-only", "m-screen-only"}


def _built(name):
    return (STATIC_DIRECTORY / asset_url(name).removeprefix("/static/")).read_text()


def _classes_in(text):
    """Return the class names in the class attributes, those inside expressions too."""
    for value in re.findall(r'class="((?:[^"{]|\{\{.*?\}\}|\{%.*?%\})*)"', text):
        literals = re.findall(r"""["']([^"']*)["']""", value)
        plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", value)
        yield from " ".join([plain, *literals]).split()
    # Classes that a macro chooses from a mapping.
    for value in re.findall(r'": "((?:m-|utrecht-)[^"]*)"', text):
        yield from value.split()


def test_every_class_of_a_template_exists_in_the_stylesheet():
    known = set(re.findall(r"\.(-?[_a-zA-Z][\w-]*)", _built("portal.css"))) | HOOKS
    missing = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in TEMPLATES
        for name in sorted(set(_classes_in(path.read_text())))
        if name not in known
    ]
    assert len(TEMPLATES) > 30
    assert missing == []


def test_every_icon_of_a_template_exists_in_the_sprite():
    known = set(re.findall(r'id="([^"]+)"', _built("icons.svg")))
    texts = [path.read_text() for path in TEMPLATES]
    used = {name for text in texts for name in re.findall(r'icon\("([\w-]+)"\)', text)}
    chosen = next(path for path in TEMPLATES if path.name == "components.html").read_text()
    used |= {
        name for line in re.findall(r"set icons = \{(.*?)\}", chosen) for name in re.findall(r': "([\w-]+)"', line)
    }
    assert len(used) > 10
    assert used - known == set()


def test_no_template_has_an_inline_style_or_script():
    inline = re.compile(r"""<\w[^>{]*\s(?:style|on[a-z]+)=|<style|<script(?![^>]*\ssrc=)|javascript:""")
    assert [str(path) for path in TEMPLATES if inline.search(path.read_text())] == []
