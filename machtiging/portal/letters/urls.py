"""URLs of the list of letters."""

from __future__ import annotations

from urllib.parse import urlencode

LETTERS_PATH = "/brieven"


def build_list_url(**query: str) -> str:
    """Build the URL of the list with this query."""
    return LETTERS_PATH + ("?" + urlencode(query) if query else "")
