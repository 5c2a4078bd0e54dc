"""Names and docstrings: the rules of naming that a machine can see.

A thing is called what its standard, its library or Dutch law calls it. A function is a verb with its object. A module
is a noun of the field. A class name stands for one thing. A docstring says first what the thing does or is.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.sources import PACKAGE, ROOT, all_modules, name_of, nodes, place_of

TREES = {"machtiging": PACKAGE, "tests": ROOT / "tests"}
TREE = pytest.mark.parametrize("tree", sorted(TREES))

# At most this share of the functions. A fixture is the noun that a test asks for, so tests have more single words.
ONE_WORD_SHARE = {"machtiging": 0.08, "tests": 0.22}
PARTICIPLE_SHARE = {"machtiging": 0.01, "tests": 0.04}
LONG_DOCSTRING_SHARE = {"machtiging": 0.0, "tests": 0.01}
FIRST_SENTENCE_WORDS = 15

# A verb form that names no act: `told()`. NO_PARTICIPLE has the nouns and the Dutch words that only look like one.
PARTICIPLE = re.compile(
    r"[a-z]+(ed|ing|en)|told|said|made|kept|held|seen|known|shown|laid|taken|found|sent|gone|lost|brought"
)
NO_PARTICIPLE = re.compile(
    r"citizen|ding|eigen|embed|feed|forked|heading|listen|machtiging|need|needs|nothing|open|pending|ring|seed|setting|"
    r"string|token"
)
# Words that say something only to the person who chose them.
PRIVATE_STEM = re.compile(
    r"(^|_)(asked|at_once|by_hand|exact|handout|held|hold|kept|keeping|known|laid|made|otherwise|over|said|seen|shown|"
    r"short_way|still|straight|surer|taken|taking|tied|told|turn_away|wishes)(_|$)"
)
# Participles that say nothing of the value they name. A variable is named after what it holds: `claims`, `machtiging`.
VAGUE_VARIABLE = re.compile(r"asked|begun|given|gone|got|held|kept|known|made|said|seen|taken|told")
OVERRIDES = {"connection_made": "asyncio.Protocol calls it by this name"}
# Adverbs, adjectives and participles. A module is a noun: `retention`, `optimistic_lock`.
NO_NOUN = re.compile(
    r"above|after|again|already|always|apart|asked|at_once|away|before|behind|beside|between|clear|done|early|else|exact|"
    r"fast|fetched|fresh|given|gone|held|here|hidden|just|kept|known|laid|late|made|never|new|next|now|old|once|open|"
    r"otherwise|over|own|quick|rather|ready|refreshing|refused|said|seen|sent|short_way|shown|slow|soon|still|straight|"
    r"taken|taking|then|there|tied|together|told|under|used|waiting"
)
# Names of drawers for things that have nothing in common.
DRAWER = re.compile(
    r"base|common|core|functions|general|helpers?|lib|managers?|misc|miscellaneous|objects|other|services?|shared|stuff|"
    r"things|tools|utils?|utilities|various"
)
QUESTION = re.compile(r"(What|Whatever|Whether|Who|Whoever|Whom|Whose|How|Where|When|Which|Why)\b")
# `test_<thing>_<condition>_<result>` begins with the thing, and speaks of nobody that the rules do not name.
RIDDLE = re.compile(
    r"^test_(a|an|the|it|he|she|they|what|whose|which|who|whoever|this|that|these|there|nobody|somebody|everybody|anybody|"
    r"one|when|where|whether|if|as|in|of|for|from|but|not|so)_"
    r"|^test_.*_(who|whoever|whom|whose|nobody|somebody|everybody|anybody|everyone|anyone|someone|something|somewhere)(_|$)"
)
# The source of a rule is no part of what the thing does: `(RFC 9449 section 4.3)`.
CITATION = re.compile(r"\s*\((?=[^()]*(RFC|OpenID|FAPI|CIBA|NL GOV|section|\d\.\d))[^()]*\)")
FIRST_SENTENCE = re.compile(r".*?[.!?](?=\s|$)")


class NamedFunction(NamedTuple):
    """A function: its name, and its file and line."""

    name: str
    place: str

    def __str__(self) -> str:
        return f"{self.place} {self.name}"


def files_of(tree: str) -> Iterator[Path]:
    return (path for path in all_modules() if path.is_relative_to(TREES[tree]))


@cache
def functions_of(tree: str) -> tuple[NamedFunction, ...]:
    return tuple(
        NamedFunction(node.name, place_of(path, node))
        for path in files_of(tree)
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__")
    )


@cache
def docstrings_of(tree: str) -> tuple[tuple[str, str], ...]:
    """Every docstring of module, class and function. Its place and its first paragraph on one line."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return tuple(
        (place_of(path, node), " ".join(text.split("\n\n")[0].split()))
        for path in files_of(tree)
        for node in nodes(path)
        if isinstance(node, documented) and (text := ast.get_docstring(node))
    )


def first_word(name: str) -> str:
    return name.lstrip("_").split("_")[0]


def first_sentence_length(docstring: str) -> int:
    text = CITATION.sub("", docstring)
    found = FIRST_SENTENCE.match(text)
    return len((found.group() if found else text).split())


def advise(advice: str, found: Sequence[object]) -> str:
    """The message of a failure: what to do, and the places where."""
    return "\n".join([advice, *map(str, found)])


def advise_share(advice: str, found: Sequence[object], total: int, limit: float) -> str:
    return advise(f"{len(found)} of {total}, more than {limit:.0%}. {advice}", found)


@TREE
def test_share_of_one_word_function_names_is_limited(tree):
    public = [function for function in functions_of(tree) if not function.name.startswith("_")]
    found = [function for function in public if "_" not in function.name]
    limit, advice = ONE_WORD_SHARE[tree], "Name a function by a verb and its object: load_machtiging."
    assert len(found) <= limit * len(public), advise_share(advice, found, len(public), limit)


@TREE
def test_share_of_participle_function_names_is_limited(tree):
    every = functions_of(tree)
    found = [
        function
        for function in every
        if PARTICIPLE.fullmatch(word := first_word(function.name)) and not NO_PARTICIPLE.fullmatch(word)
    ]
    limit, advice = PARTICIPLE_SHARE[tree], "Name a function by its act, a verb and its object: revoke_token."
    assert len(found) <= limit * len(every), advise_share(advice, found, len(every), limit)


@TREE
def test_function_name_with_private_word_is_refused(tree):
    found = [
        function
        for function in functions_of(tree)
        if PRIVATE_STEM.search(function.name)
        and not function.name.startswith("test_")
        and function.name not in OVERRIDES
    ]
    assert found == [], advise("Use the word of the standard, the library or the law.", found)


def test_module_name_that_is_no_noun_is_refused():
    found = [
        name_of(path)
        for path in all_modules()
        for word in (path.stem, path.parent.name)
        if NO_NOUN.fullmatch(word) or (PRIVATE_STEM.search(word) and not word.startswith("test_"))
    ]
    assert found == [], advise("Name a module or package by a noun of the field.", found)


def test_module_or_package_named_as_a_drawer_is_refused():
    found = [name_of(path) for path in all_modules() if any(map(DRAWER.fullmatch, (path.stem, path.parent.name)))]
    assert found == [], advise("Name a module or package by its one subject.", found)


def test_class_name_used_twice_is_refused():
    places = defaultdict(list)
    for path in all_modules():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(place_of(path, node))
    found = [f"{name}: {', '.join(at)}" for name, at in sorted(places.items()) if len(at) > 1]
    assert found == [], advise("A class name stands for one thing. Rename one of these.", found)


def test_variable_with_a_vague_name_is_refused():
    found = [
        f"{place_of(path, node)} {node.id}"
        for path in files_of("machtiging")
        for node in nodes(path)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and VAGUE_VARIABLE.fullmatch(node.id)
    ]
    assert found == [], advise("Name a variable after what it holds.", found)


@TREE
def test_docstring_that_begins_with_a_question_word_is_refused(tree):
    found = [f"{place} {text}" for place, text in docstrings_of(tree) if QUESTION.match(text)]
    assert found == [], advise("Say first what the thing does or is.", found)


@TREE
def test_docstring_with_a_long_first_sentence_is_limited(tree):
    every, limit = docstrings_of(tree), LONG_DOCSTRING_SHARE[tree]
    lengths = [(place, first_sentence_length(text), text) for place, text in every]
    found = [f"{place} {words} words: {text}" for place, words, text in lengths if words > FIRST_SENTENCE_WORDS]
    advice = f"Say in {FIRST_SENTENCE_WORDS} words what the thing does or is. Units and reasons follow."
    assert len(found) <= limit * len(every), advise_share(advice, found, len(every), limit)


def test_test_name_that_is_a_riddle_is_refused():
    found = [function for function in functions_of("tests") if RIDDLE.search(function.name)]
    assert found == [], advise("Name a test test_<thing>_<condition>_<result>.", found)
