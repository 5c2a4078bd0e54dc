"""Files, commands, addresses, scopes and codes on the pages of docs/integrate exist."""

import ast
import json
import re
from functools import cache

import pytest

from machtiging.oauth.clients.metadata import find_metadata_errors
from machtiging.oauth.errors import OAuthErrorCode
from machtiging.oauth.rules import SCOPES_BY_GRANT_TYPE
from tests.architecture.sources import modules
from tests.architecture.test_documentation import commands_that_exist
from tests.architecture.test_doors import all_routes
from tests.architecture.test_openapi_document import build_openapi_document
from tests.integration_guide.guide_pages import (
    EXAMPLES,
    GUIDE,
    PAGES,
    ROOT,
    build_output_pattern,
    list_blocks,
    list_commands,
    list_error_rows,
    list_table_codes,
    read_page,
)

PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
CODE_LANGUAGES = {"json", "python", "js", "go", "java"}
LANGUAGES = CODE_LANGUAGES | {"sh", "text"}
SETTINGS = {"running", "background", "browser", "file", "needs"}
# Of the practice service, and the keys of proofs.
OTHER_ADDRESSES = {"/oefenen", "/.well-known/machtiging-bewijssleutels"}
OTHER_PROGRAMS = {"cp", "export", "go", "java", "mkdir", "mvn", "node", "npm", ".cache/guide/go/resource_server"}
API_PATH = re.compile(r"/api/v1(/[\w{}/_.-]*[\w}])")


@cache
def list_api_operations():
    """The methods by path of the REST API, with `{}` for each parameter."""
    paths = build_openapi_document()["paths"]
    return {re.sub(r"{\w+}", "{}", path): set(operations) for path, operations in paths.items()}


@cache
def read_sources():
    return "\n".join(path.read_text(encoding="utf-8") for path in modules())


@PAGE
def test_fenced_block_has_a_known_language_and_known_settings(page):
    assert [block for block in list_blocks(page) if block.language not in LANGUAGES] == []
    assert [block for block in list_blocks(page) if not block.settings.keys() <= SETTINGS] == []


@PAGE
def test_fenced_block_of_an_example_is_a_part_of_that_file(page):
    for block in list_blocks(page):
        if "file" in block.settings:
            assert block.text in (EXAMPLES / block.settings["file"]).read_text(), block.settings["file"]


@PAGE
def test_fenced_block_of_code_names_its_file(page):
    code = [block for block in list_blocks(page) if block.language in CODE_LANGUAGES]
    assert [block.text for block in code if "file" not in block.settings] == []


@PAGE
def test_commands_start_programs_that_exist(page):
    for command in list_commands(page):
        for line in command.block.text.replace("\\\n", " ").splitlines():
            words = line.split()
            if words[:1] == [".venv/bin/python"]:
                assert (ROOT / words[1]).is_file(), line
            elif words[:1] == [".venv/bin/machtiging"]:
                assert {" ".join(words[1:3]), words[1]} & set(commands_that_exist()), line
            else:
                assert words[0] in OTHER_PROGRAMS, line


def test_guide_has_commands_with_and_without_output():
    every = [command for page in PAGES for command in list_commands(page)]
    assert {command.output is None for command in every} == {True, False}


@PAGE
def test_addresses_of_the_api_are_in_its_description(page):
    described = list_api_operations().keys() | {"/openapi.json"}
    named = {re.sub(r"{\w+}", "{}", path) for path in API_PATH.findall(read_page(page))}
    assert named - described == set()


@PAGE
def test_addresses_outside_the_api_are_routes_of_the_service(page):
    patterns = [re.compile(re.sub(r"{\w+}", "[^/]+", route.path)) for route in all_routes()]
    named = {path for path in re.findall(r"`(/[^`?\s]*)", read_page(page)) if not path.startswith("/api/")}
    assert {path for path in named - OTHER_ADDRESSES if not any(each.fullmatch(path) for each in patterns)} == set()


@PAGE
def test_methods_of_the_api_are_in_its_description(page):
    for method, path in re.findall(r"`(GET|POST|PATCH|PUT|DELETE) /api/v1(/[^`?]+)", read_page(page)):
        assert method.lower() in list_api_operations()[re.sub(r"{\w+}", "{}", path)], f"{method} {path}"


@PAGE
def test_codes_of_error_tables_are_in_our_source(page):
    source, oauth = read_sources(), {code.value for code in OAuthErrorCode}
    codes = {code for row in list_error_rows(page) for code in row.codes}
    assert {code for code in codes - oauth if f'"{code}"' not in source} == set()


@PAGE
def test_codes_of_other_tables_are_in_our_source(page):
    codes = set(list_table_codes(page))
    assert {code for code in codes if f'"{code}"' not in read_sources()} == set()


def test_codes_of_other_tables_are_found():
    assert len(set(list_table_codes(GUIDE / "login-broker.md"))) > 10
    assert len(set(list_table_codes(GUIDE / "verifying-agency.md"))) > 4


@PAGE
def test_statuses_of_error_tables_are_numbers_or_a_redirect(page):
    statuses = {row.status for row in list_error_rows(page)}
    assert {status for status in statuses if not re.fullmatch(r"[45]\d\d|redirect", status)} == set()


def test_error_tables_are_found():
    assert sum(len(list(list_error_rows(page))) for page in PAGES) > 50


@PAGE
def test_scopes_are_those_of_the_server(page):
    scopes = {scope for found in SCOPES_BY_GRANT_TYPE.values() for scope in found}
    named = set(re.findall(r'scope": "([^"]+)"', read_page(page)))
    assert named <= scopes | {""}


def test_index_links_every_page():
    index = read_page(GUIDE / "README.md")
    assert [page.name for page in PAGES if page.name != "README.md" and f"]({page.name})" not in index] == []


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.name)
def test_python_example_has_valid_syntax_and_a_docstring(example):
    assert ast.get_docstring(ast.parse(example.read_text()))


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.json")), ids=lambda file: file.name)
def test_registration_of_an_example_is_accepted_with_a_key(example):
    key = {"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256"}
    point = {"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
    metadata = json.loads(example.read_text()) | {"jwks": {"keys": [key | point]}}
    assert find_metadata_errors(metadata, practice=True, detail_type="berichtenbox") == {}


def test_output_pattern_matches_any_text_at_an_ellipsis_only():
    pattern = build_output_pattern("201 …\n409 kenmerk\n")
    assert pattern.search("first\n201 abc\n409 kenmerk\n")
    assert not pattern.search("201 abc\n410 kenmerk")
    assert not pattern.search("201 abc\nmore\n409 kenmerk")
