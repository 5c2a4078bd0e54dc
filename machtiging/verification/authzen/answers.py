"""Answers of the AuthZEN endpoints over one decision point, whatever it is (AuthZEN 1.0 sections 6, 7 and 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request

from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import InvalidInput, Refusal
from machtiging.message_catalogue import describe_refusal
from machtiging.verification.authzen.json_objects import parse_json_object
from machtiging.verification.authzen.page_tokens import PagePosition, PageTokenBinding
from machtiging.verification.authzen.requests import (
    EvaluationBatch,
    SearchPageRequest,
    read_batch,
    read_batch_item,
    read_evaluation,
    read_page_request,
    read_search,
)
from machtiging.verification.authzen.rules import (
    AuthzenDecision,
    AuthzenEntity,
    AuthzenEvaluation,
    AuthzenSearch,
    DecisionPoint,
    SearchKind,
    SearchResults,
)
from machtiging.web.content_negotiation import request_media_type
from machtiging.web.correlation_ids import TRACEPARENT_HEADER, adopt_traceparent

JSON_MEDIA_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class DecisionPointCall:
    """One call to a decision point. `identifier` is its URL; `caller` is empty at a public one."""

    decision_point: DecisionPoint
    identifier: str
    caller: str
    keyring: KeyRing
    at: datetime


async def read_request_object(request: Request) -> dict[str, Any]:
    """Read the body of a call. Raises InvalidInput `authzen_geen_json` or `authzen_json_ongeldig`."""
    if request_media_type(request) != JSON_MEDIA_TYPE:
        raise InvalidInput("authzen_geen_json")
    members = parse_json_object(await request.body())
    context = members.get("context")
    if isinstance(context, dict) and isinstance(traceparent := context.get(TRACEPARENT_HEADER), str):
        adopt_traceparent(traceparent)  # NL GOV AuthZEN: the trace is in the question
    return members


async def answer_evaluation(call: DecisionPointCall, members: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one question. Raises InvalidInput as `read_evaluation`."""
    evaluation = read_evaluation(members)
    await call.decision_point.load_facts([evaluation])
    decision = await call.decision_point.evaluate(evaluation)
    await call.decision_point.record_decisions()
    return decision.to_json_object()


async def answer_evaluations(call: DecisionPointCall, members: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a batch in the order of its items; without items, one question.

    An error of one item is a denial of that item. Raises InvalidInput as `read_batch`.
    """
    batch = read_batch(members)
    if batch is None:
        return await answer_evaluation(call, members)
    return {"evaluations": [one.to_json_object() for one in await _decide_batch(call, batch)]}


async def _decide_batch(call: DecisionPointCall, batch: EvaluationBatch) -> list[AuthzenDecision]:
    items = [_read_item(item) for item in batch.items]
    await call.decision_point.load_facts([item for item in items if isinstance(item, AuthzenEvaluation)])
    decisions: list[AuthzenDecision] = []
    for item in items:
        decision = await _decide_item(call, item)
        decisions.append(decision)
        if batch.semantic.ends_with(decision):
            break
    await call.decision_point.record_decisions()
    return decisions


def _read_item(item: Any) -> AuthzenEvaluation | InvalidInput:
    try:
        return read_batch_item(item)
    except InvalidInput as refusal:
        return refusal


async def _decide_item(call: DecisionPointCall, item: AuthzenEvaluation | InvalidInput) -> AuthzenDecision:
    try:
        if isinstance(item, InvalidInput):
            raise item
        return await call.decision_point.evaluate(item)
    except InvalidInput as refusal:
        return AuthzenDecision(decision=False, context={"error": {"status": 400, "message": describe_error(refusal)}})


async def answer_search(call: DecisionPointCall, kind: SearchKind, members: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one page of a search. Raises InvalidInput as `read_search`, and `authzen_pagina_ongeldig`."""
    search, page = read_search(kind, members), read_page_request(members)
    asked_page = page or SearchPageRequest()
    binding = PageTokenBinding(call.keyring, call.identifier, call.caller, search)
    position = binding.find_position(asked_page, call.at)
    results = await call.decision_point.search(search, position.after, position.size)
    found = [_describe_result(search, key) for key in results.keys]
    answer = ({"context": dict(results.context)} if results.context else {}) | {"results": found}
    if page is None and results.is_last:
        return answer
    token = "" if results.is_last else binding.encode(_find_next_position(position, results), asked_page, call.at)
    return {"page": {"next_token": token, "count": len(found)}} | answer


def _find_next_position(position: PagePosition, results: SearchResults) -> PagePosition:
    # A page with `limit` 0 is empty, and the next one begins at the same place.
    return position._replace(after=results.keys[-1]) if results.keys else position


def _describe_result(search: AuthzenSearch, key: str) -> dict[str, Any]:
    if search.kind is SearchKind.ACTION:
        return {"name": key}
    wanted: AuthzenEntity = getattr(search.question, search.kind)
    return {"type": wanted.type, "id": key}


def describe_error(refusal: Refusal) -> str:
    """Return the message of an error of one item: its sentence and its code."""
    return f"{describe_refusal(refusal)} ({refusal.code})"
