"""Every text for people is readable, in short sentences and clear words."""

import re

import pytest

from machtiging.message_catalogue import DUTCH, ENGLISH, LANGUAGES, list_domain_files
from tests.architecture.readability import (
    count_syllables,
    double_negatives,
    plain_text,
    reading_ease,
    split_sentences,
    split_words,
)
from tests.builders.message_catalogue import read_catalogue, read_domain

LONGEST_SENTENCE, MEAN_SENTENCE = 20, 12
LONG_TEXT, LOWEST_EASE = 30, 60
# For developers and operators, who read in English and with the standard beside them.
TECHNICAL = ("oauth.", "fault.", "metadata.")
# A machtiging is no woman, a pause is called pause, a page has a name and no path, and a call needs a number.
WRONG_WORDS = {
    DUTCH: (
        r"\b[Hh]aar\b",
        r"\b[Zz]ij\b",
        r"\b[Ss]til(?:zetten|gezet|staan|staat)\b",
        r"\b[Ss]ta(?:at|an) stil\b",
        r"\bweer laten gelden\b",
        r"\b[Zz]ekerder (?:inloggen|ingelogd)\b",
        r"Bel ons dan\.",
        r"(?:^|\s)/[a-z]",
    ),
    ENGLISH: (r"[Cc]all us then\.", r"(?:^|\s)/[a-z]", r"\bmandate\b"),
}
# "Zij" and "haar" of people, in texts that were read and judged.
OF_PEOPLE = ("letters.letter.help", "public.privacy.who_operator", "simulator.persona.")


def texts(locale):
    """Yield key and text of everything that people read."""
    for key, forms in sorted(read_catalogue(locale).items()):
        if not key.startswith(TECHNICAL):
            yield from ((key, form) for form in forms)


def mean_sentence(text):
    return len(split_words(text)) / len(split_sentences(text))


@pytest.mark.parametrize("locale", LANGUAGES)
def test_long_text_is_readable(locale, capsys):
    measured = sorted(
        (round(reading_ease(text, locale), 1), key, text)
        for key, text in texts(locale)
        if len(split_words(text)) > LONG_TEXT
    )
    with capsys.disabled():
        print(f"\nThe ten hardest texts ({locale}), by reading ease:")
        print("\n".join(f"{ease:6} {key}: {plain_text(text)[:90]!r}" for ease, key, text in measured[:10]))
    assert [one for one in measured if one[0] < LOWEST_EASE] == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_no_sentence_is_long(locale):
    long = [
        (len(split_words(sentence)), key, sentence)
        for key, text in texts(locale)
        for sentence in split_sentences(text)
        if len(split_words(sentence)) > LONGEST_SENTENCE
    ]
    assert long == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_sentences_of_a_text_are_short_on_average(locale):
    wordy = [
        (round(mean_sentence(text), 1), key, text)
        for key, text in texts(locale)
        if len(split_sentences(text)) > 1 and mean_sentence(text) > MEAN_SENTENCE
    ]
    assert wordy == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_sentences_of_each_domain_are_short_on_average(locale):
    for source in list_domain_files(locale):
        entries = read_domain(source, locale)
        sentences = [
            one
            for key, forms in entries.items()
            if not key.startswith(TECHNICAL)
            for form in forms
            for one in split_sentences(form)
        ]
        assert sum(len(split_words(one)) for one in sentences) <= MEAN_SENTENCE * len(sentences), source.name


@pytest.mark.parametrize("locale", LANGUAGES)
def test_no_text_has_a_double_negative(locale):
    assert [(key, clause) for key, text in texts(locale) for clause in double_negatives(text, locale)] == []


@pytest.mark.parametrize("locale", LANGUAGES)
def test_no_text_has_a_word_that_misleads(locale):
    found = [
        (key, wrong, text)
        for key, text in texts(locale)
        for wrong in WRONG_WORDS[locale]
        if not key.startswith(OF_PEOPLE) and re.search(wrong, text)
    ]
    assert found == []


def test_measure_knows_plain_from_hard():
    plain = "U mag de brief lezen. Uw helper ziet dat. Wilt u dat niet? Kies dan nee."
    hard = "Wettelijke vertegenwoordigingsbevoegdheid veronderstelt voorafgaande rechterlijke goedkeuring."
    assert reading_ease(plain, DUTCH) > 80
    assert reading_ease(hard, DUTCH) < 20
    assert reading_ease("You may read the letter. Your helper can see that.", ENGLISH) > 80
    assert split_sentences("Eén. Twee? {name} drie: vier") == ["Eén.", "Twee?", "Naam drie:", "vier"]
    assert [count_syllables(word, DUTCH) for word in ("over", "brief", "ideeën", "uitnodigen")] == [2, 1, 3, 4]
    assert [count_syllables(word, ENGLISH) for word in ("code", "changed", "table", "reading")] == [1, 1, 2, 2]
    assert double_negatives("U kunt nooit niet lezen, maar niet altijd.", DUTCH) == ["U kunt nooit niet lezen"]
    assert double_negatives("You cannot see nothing.", ENGLISH) == ["You cannot see nothing."]
