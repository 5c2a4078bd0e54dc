"""The Bruno collection of docs/integrate: read its files, and send its requests.

Only the blocks that the collection uses are read: the request, a bearer token, a form, the parts of a multipart body,
and an assertion on the status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration_guide.guide_pages import GUIDE

COLLECTION = GUIDE / "bruno"
ENVIRONMENT = COLLECTION / "environments" / "practice.bru"
REQUEST_FILES = tuple(sorted(file for file in COLLECTION.rglob("*.bru") if file != ENVIRONMENT))
METHODS = ("get", "post", "put", "patch", "delete")
_BLOCK = re.compile(r"^([a-z:-]+) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"\{\{([\w.]+)\}\}")
_PART = re.compile(r"(?P<content>.*) @contentType\((?P<type>[^)]+)\)", re.DOTALL)


@dataclass(frozen=True)
class BrunoRequest:
    """One request of the collection, with its variables as they stand in the file."""

    method: str
    url: str
    token: str
    form: Mapping[str, str]
    parts: Mapping[str, str]
    status: int
    document: str
    blocks: frozenset[str]


def read_members(text: str) -> dict[str, str]:
    pairs = (line.strip().partition(": ") for line in text.splitlines() if line.strip())
    return {name: value for name, _, value in pairs}


def read_request(file: Path) -> BrunoRequest:
    """Read one file. Raises StopIteration without a method, and KeyError without an address or status."""
    texts = dict(_BLOCK.findall(file.read_text(encoding="utf-8")))
    blocks = {name: read_members(text) for name, text in texts.items() if name != "body:json"}
    method = next(name for name in METHODS if name in blocks)
    return BrunoRequest(
        method=method.upper(),
        url=blocks[method]["url"],
        token=blocks.get("auth:bearer", {}).get("token", ""),
        form=blocks.get("body:form-urlencoded", {}),
        parts=blocks.get("body:multipart-form", {}),
        status=int(blocks["assert"]["res.status"].removeprefix("eq ")),
        document=texts.get("body:json", ""),
        blocks=frozenset(texts),
    )


def list_variables(text: str) -> set[str]:
    return set(_VARIABLE.findall(text))


def read_environment(environment_file: Path, dotenv: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment, with those of the file `.env` filled in."""
    text = environment_file.read_text(encoding="utf-8")
    members = read_members(dict(_BLOCK.findall(text))["vars"])
    processed = {f"process.env.{name}": value for name, value in dotenv.items()}
    return {name: fill_variables(value, processed) for name, value in members.items()}


def fill_variables(text: str, variables: Mapping[str, str]) -> str:
    """Replace each variable. Raises KeyError for one that has no value."""
    return _VARIABLE.sub(lambda found: variables[found[1]], text)


def send_request(request: BrunoRequest, variables: Mapping[str, str]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {fill_variables(request.token, variables)}"} if request.token else {}
    form = {name: fill_variables(value, variables) for name, value in request.form.items()}
    parts = []
    for name, value in request.parts.items():
        part = _PART.fullmatch(fill_variables(value, variables))
        assert part is not None, value
        parts.append((name, (None, part["content"], part["type"])))
    body = {"files": parts} if parts else {"data": form} if form else {}
    if request.document:
        body, headers["Content-Type"] = {"content": fill_variables(request.document, variables)}, "application/json"
    url = fill_variables(request.url, variables)
    return httpx.request(request.method, url, headers=headers, timeout=60, trust_env=False, **body)
