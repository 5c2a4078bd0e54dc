"""The language of a request: cookie, then Accept-Language, then Dutch."""

import pytest

from machtiging.kernel.errors import Message
from machtiging.message_catalogue import CatalogueLabels, current_language, find_sentence, get_sentence, use_language
from machtiging.web.language import choose_language


def make_scope(cookie: str = "", accept: str = ""):
    return {"headers": [(b"cookie", cookie.encode()), (b"accept-language", accept.encode())]}


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "nl"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("nl-NL,en;q=0.9", "nl"),
        ("en;q=0.5,nl;q=0.8", "nl"),
        ("de,fr;q=0.9", "nl"),
        ("de,en;q=0.1", "en"),
        ("en;q=0", "nl"),
        ("en;q=0,nl;q=0", "nl"),
        ("en;q=hoog", "nl"),
        ("*", "nl"),
        (";;;,,=", "nl"),
        ("x" * 10_000 + ",en", "nl"),
    ],
)
def test_accept_language_gives_the_language_with_most_weight(accept, language):
    assert choose_language(make_scope(accept=accept)) == language


@pytest.mark.parametrize(
    ("cookie", "language"),
    [
        ("taal=en", "en"),
        ("a=b; taal=en", "en"),
        ("taal=nl", "nl"),
        ("taal=de", "en"),
        ("taal=", "en"),
        ("taal=../../etc", "en"),
        ("xtaal=nl", "en"),
        ("taal", "en"),
    ],
)
def test_cookie_precedes_accept_language_if_it_names_a_language(cookie, language):
    assert choose_language(make_scope(cookie, "en")) == language


def test_language_in_use_ends_with_its_block():
    with use_language("en"):
        assert current_language() == "en"
        assert get_sentence("frame.until_day", day="1 May") == "until the end of 1 May"
    assert get_sentence("frame.until_day", day="1 mei") == "tot en met 1 mei"


def test_sentence_of_one_language_is_used_in_the_other():
    with use_language("en"):
        assert find_sentence(Message("token_ingetrokken")) != ""


def test_labels_follow_the_language_and_refuse_unknown_codes():
    labels = CatalogueLabels("frame", ("until_day",))
    assert len(labels) == 1
    with pytest.raises(KeyError):
        labels["until_week"]


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("ui_locales=en", "en"),
        ("a=b&ui_locales=fr%20en-GB%20nl", "en"),
        ("ui_locales=fr", "nl"),
        ("ui_locales=", "nl"),
        ("ui_locales=%00%ff", "nl"),
        ("xui_locales=en", "nl"),
    ],
)
def test_ui_locales_precedes_the_cookie_if_it_names_a_language(query, language):
    assert choose_language(make_scope("taal=nl") | {"query_string": query.encode()}) == language
