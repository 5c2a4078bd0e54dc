"""The message catalogue as its file has it."""

from babel.messages.pofile import read_po

import machtiging.message_catalogue as catalogue


def read_catalogue(locale: str) -> dict[str, tuple[str, ...]]:
    """Return the plural forms of each key in the .po file. One form for a message without plural."""
    path = catalogue._LOCALE_DIRECTORY / locale / "LC_MESSAGES" / f"{catalogue.DOMAIN}.po"
    with path.open("rb") as file:
        messages = read_po(file, locale=locale, abort_invalid=True)
    return {
        one.id if isinstance(one.id, str) else one.id[0]: one.string if isinstance(one.string, tuple) else (one.string,)
        for one in messages
        if one.id
    }
