"""Tenants of the operator: decision points with a Casbin policy and attributes of their own.

A folder holds `tenant.yaml`, `model.conf` and `policy.csv`. Any error in it stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice, product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import structlog
from pydantic import Field, StringConstraints

from machtiging.access.tenant_policy.engine import TenantPolicy
from machtiging.access.tenant_policy.files import read_tenant_policy
from machtiging.kernel.errors import Fault
from machtiging.operator_content.yaml_file import OperatorItem, read_item
from machtiging.verification.authzen.rules import (
    AuthzenAction,
    AuthzenDecision,
    AuthzenEntity,
    AuthzenEvaluation,
    AuthzenSearch,
    SearchKind,
    SearchResults,
)

TENANT_PREFIX = "/authzen"
TENANT_FILE = "tenant.yaml"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_NAME_LENGTH, _MAX_ENTITIES, _MAX_TRIALS = 40, 1000, 2000
_Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
_log = structlog.get_logger("machtiging.verification")


class TenantDoor(StrEnum):
    """The callers of a tenant: the agencies that it names, or everybody (practice only)."""

    AGENCY = "agency"
    PUBLIC = "public"


class CallerProperties(StrEnum):
    """Properties that a caller sends decide nothing, or replace the stored ones."""

    IGNORED = "ignored"
    DECIDE = "decide"


class TenantEntity(OperatorItem):
    """A subject or resource that the tenant knows, with its properties."""

    type: _Text
    id: _Text
    properties: dict[str, Any] = Field(default_factory=dict)


class TenantDescription(OperatorItem):
    """The content of `tenant.yaml`. `open_types` are types whose ids need not be listed."""

    # YAML has text, so these two are not strict.
    door: Annotated[TenantDoor, Field(strict=False)] = TenantDoor.AGENCY
    caller_properties: Annotated[CallerProperties, Field(strict=False)] = CallerProperties.IGNORED
    agencies: list[_Text] = Field(default_factory=list)
    open_types: list[_Text] = Field(default_factory=list)
    actions: list[_Text] = Field(min_length=1)
    subjects: list[TenantEntity] = Field(max_length=_MAX_ENTITIES)
    resources: list[TenantEntity] = Field(max_length=_MAX_ENTITIES)


class _EntityKey(NamedTuple):
    type: str
    id: str


class TenantDecisionPoint:
    """The decision point of one tenant."""

    def __init__(self, name: str, description: TenantDescription, policy: TenantPolicy) -> None:
        self.name = name
        self.is_public = description.door is TenantDoor.PUBLIC
        self.agencies = frozenset(description.agencies)
        self.digest = policy.digest
        self._policy = policy
        self._callers_decide = description.caller_properties is CallerProperties.DECIDE
        self._open_types = frozenset(description.open_types)
        self._actions = tuple(sorted(description.actions))
        self._subjects, self._resources = _index(description.subjects), _index(description.resources)

    async def load_facts(self, evaluations: Sequence[AuthzenEvaluation]) -> None:
        """Load nothing: a tenant has its facts in memory."""

    async def record_decisions(self) -> None:
        """Record nothing: the route logs the call."""

    async def evaluate(self, evaluation: AuthzenEvaluation) -> AuthzenDecision:
        """Decide one question. A subject, resource or action that the tenant does not know is denied."""
        return AuthzenDecision(self._is_allowed(evaluation))

    async def search(self, search: AuthzenSearch, after: str, limit: int) -> SearchResults:
        """Return the keys after `after` that evaluate to true, at most `limit`."""
        allowed = (key for key in self._list_keys(search) if key > after and self._is_allowed(_complete(search, key)))
        found = list(islice(allowed, limit + 1))
        return SearchResults(found[:limit], is_last=len(found) <= limit)

    def try_policy(self) -> None:
        """Decide on combinations that the tenant knows. Raises Fault `authzen_tenant_onleesbaar` if that fails."""
        combinations = islice(product(self._subjects, self._actions, self._resources), _MAX_TRIALS)
        self._policy.try_requests(
            self._build_request(AuthzenEvaluation(AuthzenEntity(*one), AuthzenAction(name), AuthzenEntity(*other)))
            for one, name, other in combinations
        )

    def _list_keys(self, search: AuthzenSearch) -> Iterator[str]:
        if search.kind is SearchKind.ACTION:
            yield from self._actions
        elif search.kind is SearchKind.SUBJECT:
            wanted = search.question.subject.type
            yield from (key.id for key in self._subjects if key.type == wanted)
        else:
            wanted = search.question.resource.type
            yield from (key.id for key in self._resources if key.type == wanted)

    def _is_allowed(self, evaluation: AuthzenEvaluation) -> bool:
        if evaluation.action.name not in self._actions:
            return False
        is_listed = self._has_entity(self._subjects, evaluation.subject) and self._has_entity(
            self._resources, evaluation.resource
        )
        return is_listed and self._policy.decide(self._build_request(evaluation))

    def _has_entity(self, entities: Mapping[_EntityKey, Any], entity: AuthzenEntity) -> bool:
        return (entity.type, entity.id) in entities or entity.type in self._open_types

    def _build_request(self, evaluation: AuthzenEvaluation) -> dict[str, dict[str, Any]]:
        action = evaluation.action.to_json_object()
        return {
            "sub": self._describe_entity(self._subjects, evaluation.subject),
            "act": action if self._callers_decide else action | {"properties": {}},
            "obj": self._describe_entity(self._resources, evaluation.resource),
            "ctx": dict(evaluation.context) if self._callers_decide else {},
        }

    def _describe_entity(
        self, entities: Mapping[_EntityKey, Mapping[str, Any]], entity: AuthzenEntity
    ) -> dict[str, Any]:
        properties = dict(entities.get(_EntityKey(entity.type, entity.id), {}))
        if self._callers_decide:
            properties |= entity.properties
        return {"type": entity.type, "id": entity.id, "properties": properties}


def _complete(search: AuthzenSearch, key: str) -> AuthzenEvaluation:
    """Complete the question of a search with one key. The caller's properties of the entity stay."""
    question = search.question
    subject, action, resource = question.subject, question.action, question.resource
    if search.kind is SearchKind.SUBJECT:
        subject = AuthzenEntity(subject.type, key, subject.properties)
    elif search.kind is SearchKind.RESOURCE:
        resource = AuthzenEntity(resource.type, key, resource.properties)
    else:
        action = AuthzenAction(key)
    return AuthzenEvaluation(subject, action, resource, question.context)


def _index(entities: Sequence[TenantEntity]) -> dict[_EntityKey, Mapping[str, Any]]:
    """Index the entities in ascending order. Raises Fault `authzen_tenant_onleesbaar` for one that stands twice."""
    found = {_EntityKey(one.type, one.id): one.properties for one in entities}
    if len(found) != len(entities):
        raise Fault("authzen_tenant_onleesbaar", private="an entity stands twice")
    return dict(sorted(found.items(), key=lambda item: item[0]))


def load_tenants(directory: Path | None, *, practice: bool) -> dict[str, TenantDecisionPoint]:
    """Load every tenant of a folder; none without a folder.

    Raises Fault `authzen_tenant_onleesbaar` for any error, and `authzen_tenant_onveilig` for a public tenant in
    production.
    """
    if directory is None:
        return {}
    try:
        folders = sorted(one for one in directory.iterdir() if not one.name.startswith("."))
    except OSError as error:
        raise Fault("authzen_tenant_onleesbaar", private=f"{directory}: {error.strerror}") from error
    if not folders:
        raise Fault("authzen_tenant_onleesbaar", private=f"{directory} holds no tenant")
    return {folder.name: load_tenant(folder, practice=practice) for folder in folders}


def load_tenant(folder: Path, *, practice: bool) -> TenantDecisionPoint:
    """Load one tenant and try its policy. Raises Fault as `load_tenants`."""
    if len(folder.name) > _MAX_NAME_LENGTH or not (folder.is_dir() and _NAME.fullmatch(folder.name)):
        raise Fault("authzen_tenant_onleesbaar", private=f"{folder} is no folder with a name of a tenant")
    description = read_item(folder / TENANT_FILE, TenantDescription, "authzen_tenant_onleesbaar")
    if description.door is TenantDoor.PUBLIC and not practice:
        raise Fault("authzen_tenant_onveilig", private=f"{folder}: a public tenant is for practice only")
    if (description.door is TenantDoor.AGENCY) is not bool(description.agencies):
        raise Fault("authzen_tenant_onleesbaar", private=f"{folder}: name agencies, or make the door public; not both")
    tenant = TenantDecisionPoint(folder.name, description, TenantPolicy(read_tenant_policy(folder)))
    tenant.try_policy()
    _log.info("authzen_tenant_loaded", tenant=tenant.name, digest=tenant.digest)
    return tenant
