"""The message catalogue: the sentences of refusals and faults, by key and language.

The files are GNU gettext, read with Babel.

Domain code raises a code with parameters (`kernel.errors`) and never a sentence. What answers a person or a program
looks the sentence up here: Dutch for people, English for developers and operators.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import structlog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from machtiging.kernel.errors import InvalidInput, MachtigingError, Message

DUTCH, ENGLISH = "nl", "en"
DOMAIN = "refusals"
_LOCALE_DIRECTORY = Path(__file__).with_name("locale")
_log = structlog.get_logger(__name__)


@cache
def load_translations(locale: str) -> Translations:
    """Read the catalogue of one language; once per process."""
    source = _LOCALE_DIRECTORY / locale / "LC_MESSAGES" / f"{DOMAIN}.po"
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source.read_bytes()), locale=locale, abort_invalid=True))
    compiled.seek(0)
    return Translations(compiled, domain=DOMAIN)


def find_sentence(message: Message | None, locale: str = DUTCH) -> str:
    """Return the sentence of a message. "" for None and for a key without an entry.

    The parameter `n` selects the plural form, if the message has one. A parameter that is itself a message is looked up
    first.
    """
    if message is None:
        return ""
    translations, number = load_translations(locale), message.params.get("n")
    found = message.key
    if isinstance(number, int):
        found = translations.ungettext(message.key, message.key, number)
    if found == message.key:
        found = translations.ugettext(message.key)
    if found == message.key:
        _log.error("sentence_missing", key=message.key, locale=locale)
        return ""
    return found.format_map({name: _format_param(value, locale) for name, value in message.params.items()})


def has_message(key: str, locale: str = DUTCH) -> bool:
    """Return True if the catalogue of this language has the key."""
    return load_translations(locale).ugettext(key) != key


def get_sentence(key: str, locale: str = DUTCH, **params: object) -> str:
    """Return the sentence of a key that must exist. Raises KeyError."""
    found = find_sentence(Message(key, params), locale)
    if not found:
        raise KeyError(f"no message {key} in the catalogue of {locale}")
    return found


def describe_refusal(error: MachtigingError, locale: str = DUTCH) -> str:
    """Return the sentence of an error for its caller. "" if its class says enough."""
    return find_sentence(error.message, locale)


def describe_fields(error: InvalidInput, locale: str = DUTCH) -> Mapping[str, str]:
    """Return the sentence for each field of invalid input."""
    return {name: find_sentence(message, locale) for name, message in error.fields.items()}


def _format_param(value: object, locale: str) -> object:
    return find_sentence(value, locale) if isinstance(value, Message) else value
