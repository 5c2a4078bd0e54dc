"""Problem details (RFC 9457) of our errors and of the framework's. Pure.

`PROBLEM_TEMPLATES` is the only mapping from kernel errors to HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from machtiging.kernel import errors
from machtiging.message_catalogue import describe_fields, describe_refusal, get_sentence
from machtiging.web import correlation_ids
from machtiging.web.errors.challenges import bearer_challenge, insufficient_scope_challenge, step_up_challenge
from machtiging.web.page_urls import StatePage

PROBLEM_MEDIA_TYPE = "application/problem+json"
# The code for a valid token with another audience or scope.
TOKEN_FOR_OTHER_USE = "token_voor_ander_gebruik"
STORAGE_UNREACHABLE = "opslag_niet_bereikbaar"
_CHALLENGE_ERROR = re.compile(r'[ ,]error="([a-z_]+)"')


class ProblemTemplate(NamedTuple):
    """HTTP status and message key for one error class."""

    status: int
    key: str

    @property
    def title(self) -> str:
        """The title of the problem."""
        return get_sentence(f"problem.{self.key}.title")

    @property
    def detail(self) -> str:
        """The sentence for an error without one of its own."""
        return get_sentence(f"problem.{self.key}")


PROBLEM_TEMPLATES: Mapping[type[errors.MachtigingError], ProblemTemplate] = {
    errors.InvalidInput: ProblemTemplate(400, "invalid_input"),
    errors.NotAuthenticated: ProblemTemplate(401, "not_authenticated"),
    errors.NotAllowed: ProblemTemplate(403, "not_allowed"),
    errors.ActionMissing: ProblemTemplate(403, "action_missing"),
    errors.LevelTooLow: ProblemTemplate(401, "level_too_low"),
    errors.NotInForce: ProblemTemplate(403, "not_in_force"),
    errors.NotFound: ProblemTemplate(404, "not_found"),
    errors.Conflict: ProblemTemplate(409, "conflict"),
    errors.TooLarge: ProblemTemplate(413, "too_large"),
    errors.UnsupportedMedia: ProblemTemplate(415, "unsupported_media"),
    errors.TooMany: ProblemTemplate(429, "too_many"),
    errors.Refusal: ProblemTemplate(400, "refusal"),
    errors.Fault: ProblemTemplate(500, "fault"),
    errors.MachtigingError: ProblemTemplate(500, "fault"),
}

# Codes of refusals by the framework, before our code runs.
_CODE_BY_STATUS: Mapping[int, str] = {
    400: "ongeldige_invoer",
    401: "niet_aangemeld",
    403: "niet_toegestaan",
    404: "niet_gevonden",
    405: "methode_niet_toegestaan",
    406: "antwoord_niet_leverbaar",
    408: "verzoek_te_traag",
    413: "verzoek_te_groot",
    415: "soort_niet_ondersteund",
}


@dataclass(frozen=True)
class ProblemDetails:
    """A problem details object (RFC 9457) with our members `code`, `verzoekId` and `fouten`.

    With a challenge it has `error`, the code of WWW-Authenticate (RFC 6750 3.1, RFC 9449 7.1, RFC 9470 3).
    """

    status: int
    code: str
    title: str
    detail: str
    faults: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    # The assurance level for a step-up login; empty if none is needed.
    level: str = ""
    # The end of `detail` with advice to try again; empty if there is none.
    advice: str = ""
    # The page that shows current state, for a request with unknown outcome.
    state_page: StatePage | None = None

    def to_json_object(self) -> dict[str, Any]:
        """Return the problem as a JSON object."""
        members: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "verzoekId": correlation_ids.get_or_create_request_id(),
        }
        if (challenge_error := _CHALLENGE_ERROR.search(self.headers.get("WWW-Authenticate", ""))) is not None:
            members["error"] = challenge_error[1]  # some clients look for `use_dpop_nonce` in the body
        if self.faults:
            members["fouten"] = [dict(fault) for fault in self.faults]
        return members


def problem_from_error(error: errors.MachtigingError) -> ProblemDetails:
    """Build the problem for one of our errors, by its most specific class in `PROBLEM_TEMPLATES`."""
    answer = next(PROBLEM_TEMPLATES[kind] for kind in type(error).__mro__ if kind in PROBLEM_TEMPLATES)
    if isinstance(error, errors.Fault):
        return _problem_from_fault(error.code, answer)
    faults: tuple[Mapping[str, str], ...] = ()
    headers: dict[str, str] = {}
    if isinstance(error, errors.InvalidInput):
        faults = tuple({"veld": name, "melding": text} for name, text in describe_fields(error).items())
    elif isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = error.challenge or bearer_challenge(error.code)
    elif isinstance(error, errors.LevelTooLow):
        headers["WWW-Authenticate"] = step_up_challenge(error.acr)
    elif isinstance(error, errors.ActionMissing):
        headers["WWW-Authenticate"] = insufficient_scope_challenge(error.action)
    elif isinstance(error, errors.NotAllowed) and error.code == TOKEN_FOR_OTHER_USE:
        headers["WWW-Authenticate"] = 'Bearer realm="machtiging", error="insufficient_scope"'  # RFC 6750 section 3.1
    level = error.level if isinstance(error, errors.LevelTooLow) else ""
    detail = describe_refusal(error) or answer.detail
    return ProblemDetails(answer.status, error.code, answer.title, detail, faults, headers, level)


def _problem_from_fault(code: str, template: ProblemTemplate) -> ProblemDetails:
    key, answered, status, headers = template.key, "interne_fout", template.status, {}
    if code == STORAGE_UNREACHABLE:
        key, answered, status, headers = "storage_unreachable", STORAGE_UNREACHABLE, 503, {"Retry-After": "5"}
    advice = get_sentence(f"problem.{key}.advice")
    detail = f"{get_sentence(f'problem.{key}')} {advice}"
    return ProblemDetails(
        status, answered, get_sentence(f"problem.{key}.title"), detail, headers=headers, advice=advice
    )


def problem_from_status(status: int, headers: Mapping[str, str] | None = None) -> ProblemDetails:
    """Build the problem for a refusal by the framework."""
    if status not in _CODE_BY_STATUS:
        title, phrase = get_sentence("problem.refusal.title"), HTTPStatus(status).phrase
        return ProblemDetails(status, "verzoek_geweigerd", title, phrase, headers=headers or {})
    title, detail = get_sentence(f"status.{status}.title"), get_sentence(f"status.{status}")
    return ProblemDetails(status, _CODE_BY_STATUS[status], title, detail, headers=headers or {})
