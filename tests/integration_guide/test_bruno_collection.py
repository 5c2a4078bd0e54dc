"""Requests of the Bruno collection are operations of our API and OAuth endpoints."""

import json
import re

import pytest

from tests.architecture.test_openapi_document import build_openapi_document
from tests.integration_guide.bruno_collection import (
    COLLECTION,
    ENVIRONMENT,
    REQUEST_FILES,
    fill_variables,
    list_variables,
    read_environment,
    read_request,
)
from tests.integration_guide.guide_pages import EXAMPLES

REQUEST = pytest.mark.parametrize("file", REQUEST_FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
# Outside the OpenAPI document: OAuth and the document itself.
OTHER_OPERATIONS = {
    ("GET", "{{api}}/openapi.json"),
    ("GET", "{{issuer}}/jwks"),
    ("GET", "{{issuer}}/.well-known/oauth-authorization-server"),
    ("GET", "{{issuer}}/.well-known/openid-configuration"),
    ("GET", "{{issuer}}/.well-known/oauth-protected-resource/api/v1"),
    ("GET", "{{issuer}}/.well-known/machtiging-bewijssleutels"),
    ("POST", "{{issuer}}/access/v1/evaluation"),
    ("POST", "{{issuer}}/introspect"),
    ("POST", "{{issuer}}/token"),
}
KNOWN_BLOCKS = {"meta", "auth:bearer", "body:form-urlencoded", "body:multipart-form", "body:json", "assert"}


@pytest.fixture(scope="module")
def api_operations():
    paths = build_openapi_document()["paths"]
    return {(method.upper(), re.sub(r"{\w+}", "[^/]+", path)) for path, found in paths.items() for method in found}


@REQUEST
def test_request_is_an_operation_of_the_service(file, api_operations):
    request = read_request(file)
    address = request.url.partition("?")[0]
    if (request.method, address) in OTHER_OPERATIONS:
        return
    path = address.removeprefix("{{api}}")
    assert path != address, address
    assert any(method == request.method and re.fullmatch(known, path) for method, known in api_operations), path


@REQUEST
def test_request_uses_only_variables_of_the_environment(file):
    variables = read_environment(ENVIRONMENT, dict.fromkeys(re.findall(r"env\.(\w+)", ENVIRONMENT.read_text()), "x"))
    assert list_variables(file.read_text()) <= variables.keys()


@REQUEST
def test_request_has_only_blocks_that_the_test_sends(file):
    request = read_request(file)
    assert request.blocks - KNOWN_BLOCKS == {request.method.lower()}


def test_environment_takes_every_variable_of_the_program_that_fills_it():
    written = set(re.findall(r'^    "([A-Z_0-9]+)": ', (EXAMPLES / "fill_bruno.py").read_text(), re.MULTILINE))
    assert set(re.findall(r"env\.(\w+)", ENVIRONMENT.read_text())) == written


def test_collection_has_refused_requests_and_no_token():
    statuses = {read_request(file).status for file in REQUEST_FILES}
    assert {200, 201, 400, 401, 403, 404} <= statuses
    assert not any("eyJ" in file.read_text() for file in REQUEST_FILES)
    assert json.loads((COLLECTION / "bruno.json").read_text())["type"] == "collection"
    assert (COLLECTION / ".gitignore").read_text().split() == [".env"]


def test_variable_without_a_value_is_refused():
    assert fill_variables("{{a}}/{{b.c}}", {"a": "1", "b.c": "2"}) == "1/2"
    with pytest.raises(KeyError, match="missing"):
        fill_variables("{{missing}}", {})
