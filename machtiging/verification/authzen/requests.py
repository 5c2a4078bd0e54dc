"""Read evaluations and searches from JSON objects (AuthZEN 1.0 sections 6.1, 7.1 and 8).

Unknown members are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from machtiging.kernel.errors import InvalidInput
from machtiging.verification.authzen.json_objects import find_member, require_member
from machtiging.verification.authzen.rules import (
    MAX_EVALUATIONS,
    AuthzenAction,
    AuthzenEntity,
    AuthzenEvaluation,
    AuthzenSearch,
    EvaluationsSemantic,
    SearchKind,
)

_DEFAULT_MEMBERS = ("subject", "action", "resource", "context")


@dataclass(frozen=True, slots=True)
class EvaluationBatch:
    """The items of a batch with their defaults filled in.

    They are not read yet: each may be broken by itself.
    """

    items: Sequence[Any]
    semantic: EvaluationsSemantic


@dataclass(frozen=True, slots=True)
class SearchPageRequest:
    """The `page` of a search (section 8.2.1). None for a member that was not sent."""

    token: str | None = None
    limit: int | None = None
    properties: Mapping[str, Any] | None = None


def read_evaluation(members: Mapping[str, Any]) -> AuthzenEvaluation:
    """Read one question. Raises InvalidInput `authzen_veld_ontbreekt` or `authzen_veld_ongeldig`."""
    return AuthzenEvaluation(
        subject=_read_entity(members, "subject"),
        action=_read_action(members),
        resource=_read_entity(members, "resource"),
        context=_read_properties(members, "context"),
    )


def read_batch(members: Mapping[str, Any]) -> EvaluationBatch | None:
    """Read the items of a batch. None without items: the request is then one question (section 7.1).

    Raises InvalidInput for an error of the whole request: `authzen_veld_ongeldig`, `authzen_te_veel`.
    """
    items = find_member(members, "evaluations", list)
    semantic = _read_semantic(members)
    if not items:
        return None
    if len(items) > MAX_EVALUATIONS:
        raise InvalidInput("authzen_te_veel", params={"n": MAX_EVALUATIONS})
    defaults = {name: find_member(members, name, dict) for name in _DEFAULT_MEMBERS}
    present = {name: value for name, value in defaults.items() if value is not None}
    # A member of an item replaces the whole default: nothing inside it is merged (section 7.1.1).
    merged = [present | item if isinstance(item, dict) else item for item in items]
    return EvaluationBatch(merged, semantic)


def read_batch_item(item: Any) -> AuthzenEvaluation:
    """Read one item of a batch. Raises InvalidInput as `read_evaluation`."""
    if not isinstance(item, dict):
        raise InvalidInput("authzen_veld_ongeldig", params={"field": "evaluations", "kind": "object"})
    return read_evaluation(item)


def _read_semantic(members: Mapping[str, Any]) -> EvaluationsSemantic:
    options = find_member(members, "options", dict) or {}
    name = find_member(options, "evaluations_semantic", str, "options.")
    if name is None:
        return EvaluationsSemantic.EXECUTE_ALL
    try:
        return EvaluationsSemantic(name)
    except ValueError:
        kind = " | ".join(EvaluationsSemantic)
        params = {"field": "options.evaluations_semantic", "kind": kind}
        raise InvalidInput("authzen_veld_ongeldig", params=params) from None


def read_search(kind: SearchKind, members: Mapping[str, Any]) -> AuthzenSearch:
    """Read a search. The id of the entity that is looked for is ignored (sections 8.4 to 8.6).

    Raises InvalidInput `authzen_veld_ontbreekt` or `authzen_veld_ongeldig`.
    """
    question = AuthzenEvaluation(
        subject=_read_entity(members, "subject", is_target=kind is SearchKind.SUBJECT),
        action=AuthzenAction() if kind is SearchKind.ACTION else _read_action(members),
        resource=_read_entity(members, "resource", is_target=kind is SearchKind.RESOURCE),
        context=_read_properties(members, "context"),
    )
    return AuthzenSearch(kind, question)


def read_page_request(members: Mapping[str, Any]) -> SearchPageRequest | None:
    """Read the `page` of a search; None if it is absent. Raises InvalidInput `authzen_veld_ongeldig`."""
    page = find_member(members, "page", dict)
    if page is None:
        return None
    limit = page.get("limit")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidInput("authzen_veld_ongeldig", params={"field": "page.limit", "kind": "integer"})
    # An empty token is the end of a list, and no place in it. A first request may send it.
    token = find_member(page, "token", str, "page.") or None
    return SearchPageRequest(token, limit, find_member(page, "properties", dict, "page."))


def _read_entity(members: Mapping[str, Any], name: str, *, is_target: bool = False) -> AuthzenEntity:
    entity, place = require_member(members, name, dict), f"{name}."
    type_ = require_member(entity, "type", str, place)
    id_ = "" if is_target else require_member(entity, "id", str, place)
    return AuthzenEntity(type_, id_, _read_properties(entity, "properties", place))


def _read_action(members: Mapping[str, Any]) -> AuthzenAction:
    action = require_member(members, "action", dict)
    name = require_member(action, "name", str, "action.")
    return AuthzenAction(name, _read_properties(action, "properties", "action."))


def _read_properties(members: Mapping[str, Any], name: str, place: str = "") -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = find_member(members, name, dict, place)
    return found or {}
