"""Readability of short texts: Flesch for English, Flesch-Douma for Dutch, sentence length and double negatives.

Douma (1960) fitted the formula of Flesch to Dutch: 206.84 - 0.77 × syllables in 100 words - 0.93 × words in a sentence.
60 and higher is plain. Syllables are counted with the hyphenation of `pyphen` and by groups of vowels, and the higher
count is taken.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pyphen

from machtiging.message_catalogue import DUTCH

_TERMS_FILE = Path(__file__).with_name("readability_terms.txt")
_WORD = re.compile(r"[\w'’@.-]*\w")
# A clause ends at these. Two negatives in one clause cancel each other, or read as if they do.
_CLAUSE_END = {
    "nl": re.compile(r"[,;:]|\b(?:en|of|maar|want|dus|dan)\b"),
    "en": re.compile(r"[,;:]|\b(?:and|or|but|so|then)\b"),
}
_NEGATIVE = {
    "nl": re.compile(r"\b(?:niet|geen|nooit|niemand|niets|nergens|zonder)\b", re.IGNORECASE),
    "en": re.compile(r"\b(?:not|no|never|nobody|nothing|nowhere|none|cannot|without)\b", re.IGNORECASE),
}
_VOWELS = {"nl": re.compile(r"[ëïöüä]?[aeiouyáéíóúàèêâî]+|[ëïöüä]"), "en": re.compile(r"[aeiouy]+")}
# A term counts as this many syllables: that of an average word.
_TERM_SYLLABLES = 2


@cache
def _hyphenation(locale: str) -> pyphen.Pyphen:
    return pyphen.Pyphen(lang={"nl": "nl_NL", "en": "en_US"}[locale], left=1, right=1)


@cache
def terms() -> frozenset[str]:
    """Return the terms of law and of this service, in lower case. One a line; `#` begins a comment."""
    lines = (line.partition("#")[0].strip().lower() for line in _TERMS_FILE.read_text().splitlines())
    return frozenset(line for line in lines if line)


def plain_text(text: str) -> str:
    """Return a text as one reads it, with a word for each parameter."""
    return re.sub(r"\{\w+\}", "Naam", re.sub(r"<[^>]+>", "", text))


def split_sentences(text: str) -> list[str]:
    """Split a text at the end of sentences and paragraphs. A colon ends the part that introduces a list."""
    parts = re.split(r"(?<=[.!?:])[\"”’)]?\s+|\n+", plain_text(text))
    return [part for part in parts if _WORD.search(part)]


def split_words(text: str) -> list[str]:
    """Split a text into words."""
    return _WORD.findall(plain_text(text))


def count_syllables(word: str, locale: str) -> int:
    """Count the syllables of a word. A listed term counts as an average word."""
    lower = word.lower()
    if lower in terms():
        return _TERM_SYLLABLES
    groups = len(_VOWELS[locale].findall(lower))
    if locale != DUTCH and re.search(r"[^aeiouyl]e[sd]?$", lower) and groups > 1:
        groups -= 1  # the silent e of "code" and "changed"
    return max(1, groups, len(_hyphenation(locale).positions(lower)) + 1)


def reading_ease(text: str, locale: str) -> float:
    """Return the reading ease of a text: Flesch-Douma in Dutch, Flesch in English. Higher is easier."""
    words = split_words(text)
    sentence = len(words) / len(split_sentences(text))
    syllables = sum(count_syllables(word, locale) for word in words) / len(words)
    if locale == DUTCH:
        return 206.84 - 77 * syllables - 0.93 * sentence
    return 206.835 - 84.6 * syllables - 1.015 * sentence


def double_negatives(text: str, locale: str) -> list[str]:
    """Return the clauses with two negatives."""
    clauses = (clause for one in split_sentences(text) for clause in _CLAUSE_END[locale].split(one))
    return [clause.strip() for clause in clauses if len(_NEGATIVE[locale].findall(clause)) > 1]
