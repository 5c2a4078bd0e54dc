"""Refusals carry a code and parameters. Their sentences stand in the message catalogue only."""

import ast
import importlib
import re
from string import Formatter

import pytest

from machtiging.kernel.errors import Message
from machtiging.message_catalogue import (
    DUTCH,
    ENGLISH,
    CatalogueLabels,
    find_sentence,
    get_sentence,
    has_message,
    list_domain_files,
)
from tests.architecture.sources import PACKAGE, modules, name_of
from tests.builders.message_catalogue import read_catalogue

BASE_ERRORS = {"MachtigingError"}
KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
# Families of keys that the code completes with a code, a status or an error type.
FAMILIES = (
    "oauth.error.",
    "oauth.client_authentication.",
    "oauth.",
    "fault.",
    "field.",
    "login.failed.",
    "problem.",
    "status.",
    "verzoek_boven_plafond.",
)
# Only developers and operators read these, in English.
DEVELOPER_FAMILIES = ("oauth.", "fault.")
SUFFIXES = (".title", ".advice", ".help", ".reading", ".acceptance", ".assignment", ".request")


def _trees():
    return [(path, ast.parse(path.read_text())) for path in modules()]


def _error_classes(trees):
    """Return the subclasses of MachtigingError, and those whose code is no key."""
    bases = {
        node.name: ([ast.unparse(base).split(".")[-1] for base in node.bases], node)
        for _, tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def lineage(name):
        return [name, *(one for base in bases.get(name, ([], None))[0] for one in lineage(base))]

    errors = {name for name in bases if BASE_ERRORS & set(lineage(name))}
    silent = {name for name, (_, node) in bases.items() if "code_is_key = False" in ast.unparse(node)}
    return errors, {name for name in errors if silent & set(lineage(name))}


def _constructions(trees, names):
    for path, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names:
                yield f"{name_of(path)}:{node.lineno}", node


def _texts(node):
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def test_error_is_constructed_without_a_sentence():
    trees = _trees()
    errors, _ = _error_classes(trees)
    found = [
        f"{where}: {text!r} belongs in locale/"
        for where, node in _constructions(trees, errors | {"Message", "TermsProblem", "invalid_request_error"})
        for value in [*node.args, *(one.value for one in node.keywords if one.arg != "private")]
        for text in _texts(value)
        if " " in text.strip()
    ]
    assert len(errors) > 20
    assert found == []


def test_reason_code_without_message_has_a_sentence():
    trees = _trees()
    errors, silent = _error_classes(trees)
    missing = [
        f"{where}: {node.args[0].value}"
        for where, node in _constructions(trees, errors - silent - {"OAuthRefusal"})
        if node.args and isinstance(node.args[0], ast.Constant) and not any(k.arg == "message" for k in node.keywords)
        if not (has_message(node.args[0].value) or has_message(node.args[0].value, ENGLISH))
    ]
    assert missing == []


def test_named_message_has_a_sentence():
    trees = _trees()
    errors, _ = _error_classes(trees)
    keys = [
        (where, one.value.value)
        for where, node in _constructions(trees, errors)
        for one in node.keywords
        if one.arg == "message" and isinstance(one.value, ast.Constant) and one.value.value
    ]
    keys += [
        (where, node.args[0].value)
        for where, node in _constructions(trees, {"Message", "get_sentence"})
        if isinstance(node.args[0], ast.Constant)
    ]
    assert len(keys) > 30
    assert [one for one in keys if not (has_message(one[1]) or has_message(one[1], ENGLISH))] == []


def test_invalid_request_has_a_description():
    calls = list(_constructions(_trees(), {"invalid_request_error"}))
    variants = [[k.value.value for k in node.keywords if k.arg == "variant"] for _, node in calls]
    keys = [
        ".".join(["oauth", node.args[0].value, *variant]) for (_, node), variant in zip(calls, variants, strict=True)
    ]
    assert len(keys) > 20
    assert [key for key in keys if not has_message(key, ENGLISH)] == []


def test_failed_client_authentication_has_a_cause():
    calls = _constructions(_trees(), {"refuse_client_auth", "_no_keys_refusal"})
    codes = {text for _, node in calls for text in _texts(node.args[0])}
    assert len(codes) > 10
    assert [code for code in sorted(codes) if not has_message(f"oauth.client_authentication.{code}", ENGLISH)] == []


@pytest.mark.parametrize("locale", [DUTCH, ENGLISH])
def test_every_key_is_used(locale):
    constants = {text for _, tree in _trees() for text in _texts(tree)}

    def stems(key):
        yield key
        for family in FAMILIES:
            if key.startswith(family):
                yield key.removeprefix(family)
        for suffix in SUFFIXES:
            if key.endswith(suffix):
                yield from stems(key.removesuffix(suffix))
        if key.startswith("oauth.parameter_niet_ondersteund."):
            yield key.split(".")[2]

    known = constants | {str(status) for status in range(400, 600)} | set(_pydantic_error_types())
    known |= _label_keys() | _template_keys()
    assert [key for key in read_catalogue(locale) if not known & set(stems(key))] == []


@pytest.mark.parametrize("locale", [DUTCH, ENGLISH])
def test_each_label_of_each_code_has_a_sentence(locale):
    assert sorted(_label_keys() - read_catalogue(locale).keys()) == []


def _label_keys():
    """Return the keys of all label tables. A table is a constant of a module."""
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in modules()]
    tables = [
        table
        for name in names
        if "CatalogueLabels(" in (PACKAGE.parent / (name.replace(".", "/") + ".py")).read_text()
        for table in vars(importlib.import_module(name)).values()
        if isinstance(table, CatalogueLabels)
    ]
    assert len(tables) > 10
    return {key for table in tables for key in table.message_keys}


def _template_keys():
    """Return the keys that templates name: `t("frame.title")`."""
    texts = [path.read_text() for path in PACKAGE.rglob("templates/*.html")]
    return {key for text in texts for key in re.findall(r"""["']([a-z0-9_]+(?:\.[a-z0-9_]+)+)["']""", text)}


def _pydantic_error_types():
    from typing import get_args

    from pydantic_core.core_schema import ErrorType

    return [*get_args(ErrorType), "other"]


@pytest.mark.parametrize("locale", [DUTCH, ENGLISH])
def test_catalogue_is_sorted_unique_and_well_formed(locale):
    entries = read_catalogue(locale)
    for source in list_domain_files(locale):
        keys = re.findall(r'^msgid "(.+)"$', source.read_text(), re.MULTILINE)
        assert keys == sorted(set(keys))
        assert all(KEY.fullmatch(key) for key in keys)
        if source.stem != "refusals":
            assert [key for key in keys if not key.startswith(f"{source.stem}.")] == []
    for key, forms in entries.items():
        fields = [{name for _, name, _, _ in Formatter().parse(text) if name is not None} for text in forms]
        assert all(forms), key
        assert all(names == fields[0] for names in fields), key
        assert all(name.isidentifier() for name in fields[0]), key


def test_each_key_has_a_dutch_and_an_english_sentence():
    dutch, english = (set(read_catalogue(locale)) for locale in (DUTCH, ENGLISH))
    assert dutch - english == set()
    assert [key for key in sorted(english - dutch) if not key.startswith(DEVELOPER_FAMILIES)] == []


def test_both_languages_have_the_same_parameters_and_plurals():
    dutch, english = read_catalogue(DUTCH), read_catalogue(ENGLISH)

    def shape(forms):
        return len(forms), {name for text in forms for _, name, _, _ in Formatter().parse(text) if name is not None}

    both = dutch.keys() & english.keys()
    assert [key for key in sorted(both) if shape(dutch[key]) != shape(english[key])] == []


def test_missing_key_gives_no_sentence():
    assert find_sentence(None) == ""
    assert find_sentence(Message("bestaat_niet")) == ""
    with pytest.raises(KeyError):
        get_sentence("bestaat_niet")


def test_plural_form_follows_the_number():
    assert "1 minuut " in get_sentence("code_try_again_later", n=1)
    assert "2 minuten " in get_sentence("code_try_again_later", n=2)


def test_message_as_parameter_becomes_its_sentence():
    advice = get_sentence("code_tries_left", n=3)
    assert get_sentence("code_klopt_niet", advice=Message("code_tries_left", {"n": 3})).endswith(advice)


def test_error_gives_the_parameters_of_its_sentence():
    trees = _trees()
    errors, silent = _error_classes(trees)
    sentences = read_catalogue(ENGLISH) | read_catalogue(DUTCH)
    wrong = []
    for where, node in _constructions(trees, errors - silent - {"OAuthRefusal", "ActionMissing", "LevelTooLow"}):
        given = {one.arg: one.value for one in node.keywords}
        key = given.get("message", node.args[0] if node.args else None)
        params = given.get("params", ast.Dict([], []))
        if not (isinstance(key, ast.Constant) and key.value in sentences and isinstance(params, ast.Dict)):
            continue
        wanted = {name for _, name, _, _ in Formatter().parse(sentences[key.value][0]) if name}
        if wanted != {one.value for one in params.keys}:
            wrong.append(f"{where}: {key.value} needs {sorted(wanted)}")
    assert wrong == []
