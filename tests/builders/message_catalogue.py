"""The message catalogue as its files have it."""

from pathlib import Path

from babel.messages.pofile import read_po

import machtiging.message_catalogue as catalogue


def read_catalogue(locale: str) -> dict[str, tuple[str, ...]]:
    """Return the plural forms of each key in the .po files. One form for a message without plural."""
    domains = [read_domain(path, locale) for path in catalogue.list_domain_files(locale)]
    return {key: forms for entries in domains for key, forms in entries.items()}


def read_domain(path: Path, locale: str) -> dict[str, tuple[str, ...]]:
    """Return the plural forms of each key in one .po file."""
    with path.open("rb") as file:
        messages = list(read_po(file, locale=locale, abort_invalid=True))
    return {
        one.id if isinstance(one.id, str) else one.id[0]: one.string if isinstance(one.string, tuple) else (one.string,)
        for one in messages
        if one.id
    }
