"""Search in the box (AuthZEN 1.0 section 8): diensten and letters of the agency, and acts.

A search for subjects finds nobody: no agency can list the helpers of a person. A result is one that evaluates to true.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

from machtiging.access.entitlements.rules import VerificationQuestion
from machtiging.agencies.queries import DienstView
from machtiging.delegation.rules import GRANTABLE_ACTS
from machtiging.kernel.errors import NotAllowed
from machtiging.verification.authzen.box.call import BoxCall
from machtiging.verification.authzen.box.questions import (
    BoxQuestion,
    BoxResource,
    read_box_question,
    read_represented,
)
from machtiging.verification.authzen.box.verdicts import BoxVerdict
from machtiging.verification.authzen.rules import AuthzenSearch, SearchKind, SearchResults

NOT_ENTITLED = "niet_bevoegd"
_ACTS = tuple(sorted(GRANTABLE_ACTS))
_LETTERS_PER_STATEMENT = 200
_NOTHING = SearchResults([], is_last=True)
_DENIED = BoxVerdict(is_allowed=False)


async def search_box(call: BoxCall, search: AuthzenSearch, after: str, limit: int) -> SearchResults:
    """Return one page of a search, and write its journal line.

    Raises InvalidInput as `read_box_question`, NotAllowed `afnemer_niet_actief`.
    """
    await call.load_entitlement()
    if search.kind is SearchKind.SUBJECT:
        return _NOTHING
    question = _read_search(search)
    if question is None:
        return _NOTHING
    kinds = _required_entitlements(question)
    await call.load_facts([question], *kinds)
    entitlement = await call.load_entitlement()
    diensten = entitlement.select_entitled(question, call.facts, *kinds)
    if not diensten:
        call.add_refusal_line(NotAllowed(NOT_ENTITLED))
        await call.record_lines()
        return _NOTHING
    results, verdict = await _collect_page(call, search, question, diensten, after, limit)
    answer_id = call.add_answer_line(question, verdict, diensten)
    await call.record_lines()
    return replace(results, context={"evaluation_id": str(answer_id)})


def _read_search(search: AuthzenSearch) -> BoxQuestion | None:
    """Read the question of a search. An act or a resource that is looked for is filled in later."""
    question = search.question
    if search.kind is SearchKind.ACTION:
        return read_box_question(replace(question, action=replace(question.action, name=_ACTS[0])))
    if question.resource.type not in (BoxResource.DIENST, BoxResource.BERICHT):
        return None
    as_dienst = replace(question.resource, type=BoxResource.DIENST.value, id="*")
    found = read_box_question(replace(question, resource=as_dienst))
    represented = read_represented(question.context)
    if found is None or represented is None:
        return None
    return replace(found, resource=BoxResource(question.resource.type), resource_id="", represented=represented)


def _required_entitlements(question: BoxQuestion) -> Sequence[VerificationQuestion]:
    is_letter = question.resource is BoxResource.BERICHT
    searching = VerificationQuestion.SEARCH_LETTERS if is_letter else VerificationQuestion.SEARCH
    return searching, VerificationQuestion.EVALUATE


async def _collect_page(
    call: BoxCall, search: AuthzenSearch, question: BoxQuestion, diensten: Sequence[DienstView], after: str, limit: int
) -> tuple[SearchResults, BoxVerdict]:
    """Collect the keys after `after` that are allowed, with the verdict of one of them."""
    keys: list[str] = []
    verdict = _DENIED
    async for key, one in _iterate_verdicts(call, search, question, diensten, after):
        if not one.is_allowed:
            continue
        verdict = one
        keys.append(key)
        if len(keys) > limit:
            break
    return SearchResults(keys[:limit], is_last=len(keys) <= limit), verdict


async def _iterate_verdicts(
    call: BoxCall, search: AuthzenSearch, question: BoxQuestion, diensten: Sequence[DienstView], after: str
) -> AsyncIterator[tuple[str, BoxVerdict]]:
    if search.kind is SearchKind.ACTION:
        for act in _ACTS:
            if act.value > after:
                yield act.value, call.decide_question(replace(question, act=act), diensten)
    elif question.resource is BoxResource.DIENST:
        for dienst in sorted(diensten, key=lambda one: one.code):
            if dienst.code > after:
                yield dienst.code, call.decide_question(replace(question, resource_id=dienst.code), [dienst])
    else:
        async for pair in _iterate_letters(call, question, diensten, UUID(after) if after else None):
            yield pair


async def _iterate_letters(
    call: BoxCall, question: BoxQuestion, diensten: Sequence[DienstView], after: UUID | None
) -> AsyncIterator[tuple[str, BoxVerdict]]:
    """Decide the letters of these diensten in one box, in the order of their ids."""
    codes = [one.code for one in diensten]
    boxes, is_last = call.facts.find_represented(question), False
    while not is_last:
        letters = await call.services.letters.list_box_letters(
            call.session, call.agency.oin, codes, boxes, after=after, limit=_LETTERS_PER_STATEMENT, at=call.at
        )
        call.facts = replace(call.facts, letters=letters)
        for letter_id in letters:
            yield str(letter_id), call.decide_question(replace(question, resource_id=str(letter_id)), diensten)
            after = letter_id
        is_last = len(letters) < _LETTERS_PER_STATEMENT
