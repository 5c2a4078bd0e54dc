"""The message catalogue: all sentences for people, by key and language.

The files are GNU gettext, read with Babel: one file per domain (`refusals`, `labels`, pages, mails) in each language.
All domains are one key space.

Domain code raises a code with parameters (`kernel.errors`) and never a sentence. What answers a person or a program
looks the sentence up here, in the language of the request (`web.language`). Outside a request that is Dutch.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeVar

import structlog
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from machtiging.kernel.errors import InvalidInput, MachtigingError, Message

DUTCH, ENGLISH = "nl", "en"
LANGUAGES = (DUTCH, ENGLISH)
_LOCALE_DIRECTORY = Path(__file__).with_name("locale")
_language: ContextVar[str] = ContextVar("language", default=DUTCH)
_log = structlog.get_logger(__name__)
_Code = TypeVar("_Code", bound=str)


def current_language() -> str:
    """Return the language of this request; Dutch outside a request."""
    return _language.get()


@contextmanager
def use_language(locale: str) -> Iterator[None]:
    """Use this language for all sentences inside the block."""
    token = _language.set(locale)
    try:
        yield
    finally:
        _language.reset(token)


def list_domain_files(locale: str) -> list[Path]:
    """Return the catalogue files of one language, in alphabetical order."""
    return sorted((_LOCALE_DIRECTORY / locale / "LC_MESSAGES").glob("*.po"))


@cache
def load_translations(locale: str) -> Translations:
    """Read all domains of one language; once per process. Raises ValueError for a key that two domains have."""
    merged = Catalog(locale=locale)
    for source in list_domain_files(locale):
        for message in read_po(io.BytesIO(source.read_bytes()), locale=locale, abort_invalid=True):
            if message.id and message.id in merged:
                raise ValueError(f"{source.name} repeats the key {message.id}")
            if message.id:
                merged[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return Translations(compiled)


def find_sentence(message: Message | None, locale: str | None = None) -> str:
    """Return the sentence of a message. "" for None and for a key without an entry.

    Without `locale` in the language of the request. A key that only another language has gives that sentence. The
    parameter `n` selects the plural form, if the message has one. A parameter that is itself a message is looked up
    first.
    """
    if message is None:
        return ""
    wanted = locale or current_language()
    for language in (wanted, *(other for other in LANGUAGES if other != wanted)):
        found = _look_up(message, language)
        if found != message.key:
            return found.format_map({name: _format_param(value, language) for name, value in message.params.items()})
    _log.error("sentence_missing", key=message.key, locale=wanted)
    return ""


def _look_up(message: Message, locale: str) -> str:
    translations, number = load_translations(locale), message.params.get("n")
    found = message.key
    if isinstance(number, int):
        found = translations.ungettext(message.key, message.key, number)
    return found if found != message.key else translations.ugettext(message.key)


def has_message(key: str, locale: str = DUTCH) -> bool:
    """Return True if the catalogue of this language has the key."""
    return load_translations(locale).ugettext(key) != key


def get_sentence(key: str, locale: str | None = None, **params: object) -> str:
    """Return the sentence of a key that must exist. Raises KeyError."""
    found = find_sentence(Message(key, params), locale)
    if not found:
        raise KeyError(f"no message {key} in the catalogue")
    return found


def describe_refusal(error: MachtigingError, locale: str | None = None) -> str:
    """Return the sentence of an error for its caller. "" if its class says enough."""
    return find_sentence(error.message, locale)


def describe_fields(error: InvalidInput, locale: str | None = None) -> Mapping[str, str]:
    """Return the sentence for each field of invalid input."""
    return {name: find_sentence(message, locale) for name, message in error.fields.items()}


def _format_param(value: object, locale: str) -> object:
    return find_sentence(value, locale) if isinstance(value, Message) else value


class CatalogueLabels(Mapping[_Code, str]):
    """The labels of a closed set of codes, in the language of the request.

    The key of a label is the prefix with the code. `:` in a code becomes `.`, and `-` becomes `_`.
    """

    def __init__(self, prefix: str, codes: type[StrEnum] | tuple[_Code, ...]) -> None:
        self._prefix = prefix
        self._keys: dict[_Code, str] = {code: self._make_key(code) for code in codes}  # type: ignore[misc]

    @property
    def message_keys(self) -> frozenset[str]:
        """The keys in the catalogue."""
        return frozenset(self._keys.values())

    def _make_key(self, code: str) -> str:
        return f"{self._prefix}.{code.replace(':', '.').replace('-', '_')}"

    def __getitem__(self, code: _Code) -> str:
        return self.format(code)

    def format(self, code: _Code, **params: object) -> str:
        """Return the label with these parameters. Raises KeyError for a code outside the set."""
        return get_sentence(self._keys[code], None, **params)

    def __iter__(self) -> Iterator[_Code]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
