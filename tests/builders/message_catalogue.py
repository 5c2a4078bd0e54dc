"""The message catalogue as its files have it."""

from babel.messages.pofile import read_po

import machtiging.message_catalogue as catalogue


def read_catalogue(locale: str) -> dict[str, tuple[str, ...]]:
    """Return the plural forms of each key in the .po files. One form for a message without plural."""
    messages = []
    for path in catalogue.list_domain_files(locale):
        with path.open("rb") as file:
            messages += list(read_po(file, locale=locale, abort_invalid=True))
    return {
        one.id if isinstance(one.id, str) else one.id[0]: one.string if isinstance(one.string, tuple) else (one.string,)
        for one in messages
        if one.id
    }
