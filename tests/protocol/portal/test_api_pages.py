"""The pages for developers: every operation of the OpenAPI document, as plain HTML."""

import re

import pytest

from machtiging.portal.public_pages.api_reference import ApiField, find_api_operation, list_api_tags
from machtiging.web.headers import CSP_PAGE
from tests.builders.people import ISSUER

HTML = {"Accept": "text/html"}
LANGUAGES = ("nl", "en")


def make_document(schema, **schemas):
    """A document of one operation with this body."""
    body = {"content": {"application/json": {"schema": schema}}}
    operation = {"operationId": "doeIets", "tags": ["Dingen"], "summary": "Iets doen", "requestBody": body}
    operation |= {"responses": {"204": {"description": "Gedaan"}}}
    return {"paths": {"/dingen": {"post": operation}}, "components": {"schemas": schemas}}


def list_body_fields(schema, **schemas):
    found = find_api_operation(make_document(schema, **schemas), "/api/v1", "doeIets")
    return found.bodies[0].fields


async def open_docs(portal, path="", language="nl"):
    return await portal.http.get(f"{ISSUER}/docs{path}", headers=HTML | {"Accept-Language": language})


@pytest.mark.parametrize("language", LANGUAGES)
async def test_api_page_links_every_operation_of_the_document(portal, language):
    document = (await portal.http.get(ISSUER + "/api/v1/openapi.json")).json()
    response = await open_docs(portal, language=language)
    assert response.status_code == 200
    assert f'<html lang="{language}"' in response.text
    linked = set(re.findall(r'href="/docs/(\w+)"', response.text))
    assert linked == {one["operationId"] for path in document["paths"].values() for one in path.values()}


async def test_every_operation_page_names_its_method_path_and_statuses(portal):
    document = (await portal.http.get(ISSUER + "/api/v1/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            response = await open_docs(portal, f"/{operation['operationId']}")
            assert response.status_code == 200
            assert f"{method.upper()} /api/v1{path}" in response.text
            assert response.text.count("<h1") == 1
            assert [status for status in operation["responses"] if status not in response.text] == []


async def test_operation_page_shows_members_of_the_body_and_required_scope(portal):
    text = (await open_docs(portal, "/leverBerichtAan")).text
    assert "multipart/form-data" in text
    for name in ("bericht.ontvanger.type", "bericht.kenmerk", "bijlage"):
        assert f'<code class="m-break">{name}</code>' in text
    assert "&#34;BSN&#34; | &#34;KVK&#34; | &#34;RSIN&#34;" in text
    assert '<code class="m-break">aanleveringen:schrijven</code>' in text


async def test_operation_page_of_a_download_names_its_media_types(portal):
    text = (await open_docs(portal, "/downloadBijlage")).text
    assert "application/pdf" in text
    assert "application/octet-stream" in text


@pytest.mark.parametrize(
    "path", ["/bestaatNiet", "/leesbericht", "/<script>", "/%00", "/leesBericht/meer", "/" + "a" * 5000]
)
async def test_operation_page_that_is_unknown_is_not_found(portal, path):
    response = await open_docs(portal, path)
    assert response.status_code == 404
    assert "<script>" not in response.text.partition("<main")[2]


async def test_api_pages_load_nothing_from_other_hosts_and_keep_the_policy(portal):
    for path in ("", "/leesBericht"):
        response = await open_docs(portal, path)
        assert response.headers["content-security-policy"] == CSP_PAGE
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]* (?:src|href)="([^"]*)"', response.text)
        assert [url for url in loaded if not url.startswith(("/static/", "data:,"))] == []


async def test_api_page_is_linked_in_the_footer_and_named_by_the_server_metadata(portal):
    assert 'href="/docs"' in (await portal.http.get(ISSUER + "/", headers=HTML)).text.partition("<footer")[2]
    for name in ("oauth-authorization-server", "openid-configuration"):
        metadata = (await portal.http.get(f"{ISSUER}/.well-known/{name}")).json()
        assert (await portal.http.get(metadata["service_documentation"], headers=HTML)).status_code == 200


async def test_api_page_keeps_the_menu_of_a_visitor(portal):
    page = await (await portal.mother()).open_page(ISSUER + "/docs")
    assert page.find_form("/uitloggen")


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string", "format": "uuid"}, "string<uuid>"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer | null"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"const": "a"}, '"a"'),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string | integer"),
        ({}, "object"),
    ],
)
def test_type_of_a_member_is_in_the_notation_of_a_program(schema, kind):
    fields = list_body_fields({"type": "object", "properties": {"ding": schema}, "required": ["ding"]})
    assert fields == (ApiField("ding", kind, True, ""),)


def test_members_of_a_list_of_referenced_objects_have_their_full_names():
    inner = {"type": "object", "properties": {"naam": {"type": "string", "description": "De naam."}}}
    outer = {"type": "object", "properties": {"lijst": {"type": "array", "items": {"$ref": "#/components/schemas/In"}}}}
    fields = list_body_fields(outer, In=inner)
    assert [(one.name, one.kind) for one in fields] == [("lijst", "object[]"), ("lijst[].naam", "string")]
    assert fields[1].description == "De naam."


def test_schema_that_contains_itself_ends():
    ref = {"$ref": "#/components/schemas/Boom"}
    fields = list_body_fields(ref, Boom={"type": "object", "properties": {"tak": ref}})
    assert 1 < len(fields) < 10


def test_operations_are_grouped_by_tag_and_unknown_ids_give_none():
    document = make_document({"type": "string"})
    (tag,) = list_api_tags(document, "/api/v1")
    assert (tag.name, [one.path for one in tag.operations]) == ("Dingen", ["/api/v1/dingen"])
    assert find_api_operation(document, "/api/v1", "iets") is None
