"""The claims parameter (`claims`, OpenID Connect Core 5.5), parsed and reduced. Pure.

Data minimisation (OIDC-NLGOV 6 and 7): only the person's name is released, after consent on the consent page. A BSN
never is. Unknown claims are ignored, also essential ones, as Core 5.5 requires.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from machtiging.kernel.assurance import Assurance
from machtiging.oauth.errors import invalid_request_error

ID_TOKEN, USERINFO = "id_token", "userinfo"
# The claims about a person that are released on request. All other claims in the discovery document are always present.
RELEASABLE_CLAIMS = ("name",)
_MAX_LENGTH = 4096
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """The requested claims: names to release, by location, and required values of the login.

    None: any value.
    """

    id_token: tuple[str, ...] = ()
    userinfo: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    subjects: tuple[str, ...] | None = None
    auth_times: tuple[int, ...] | None = None


def _raise_malformed() -> NoReturn:
    raise invalid_request_error("claims_vormfout")


def parse_claims_parameter(value: str | Mapping[str, Any] | None) -> ClaimsRequest:
    """Parse the parameter, as JSON text or as a member of a request object.

    Raises OAuthRefusal `invalid_request`.
    """
    if value is None:
        return ClaimsRequest()
    document = _decode_json(value) if isinstance(value, str) else value
    if not isinstance(document, Mapping):
        _raise_malformed()
    places = {place: _parse_location(document.get(place)) for place in (ID_TOKEN, USERINFO)}
    both = [wanted for place in places.values() for wanted in place.items()]
    return ClaimsRequest(
        id_token=_select_releasable_names(places[ID_TOKEN]),
        userinfo=_select_releasable_names(places[USERINFO]),
        levels=tuple(filter_supported_levels(values) for name, values in both if name == "acr" and values),
        subjects=_intersect_values([values for name, values in both if name == "sub" and values], _is_subject),
        auth_times=_intersect_values([values for name, values in both if name == "auth_time" and values], _is_instant),
    )


def _decode_json(text: str) -> Any:
    if len(text) > _MAX_LENGTH:
        _raise_malformed()
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_reject_duplicate_members)
    except (ValueError, RecursionError):
        _raise_malformed()


def _reject_duplicate_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _parse_location(members: object) -> dict[str, list[Any]]:
    """Return the claims of one location with their allowed values; an empty list allows any."""
    if members is None:
        return {}
    if not isinstance(members, Mapping):
        _raise_malformed()
    return {str(name): _parse_allowed_values(rule) for name, rule in members.items()}


def _parse_allowed_values(rule: object) -> list[Any]:
    """Return the allowed values of one claim.

    The rule is `null`, or an object with `essential`, `value` and `values`; unknown members are ignored.
    """
    if rule is None:
        return []
    if not isinstance(rule, Mapping) or not isinstance(rule.get("essential", False), bool):
        _raise_malformed()
    values = rule.get("values", [])
    if not isinstance(values, list) or ("value" in rule and "values" in rule):
        _raise_malformed()
    return [rule["value"]] if "value" in rule else values


def _select_releasable_names(location: dict[str, list[Any]]) -> tuple[str, ...]:
    """Select the releasable claims requested without a value.

    A claim with a requested value is not released: an answer would confirm a guess.
    """
    return tuple(name for name in RELEASABLE_CLAIMS if name in location and not location[name])


def filter_supported_levels(values: Iterable[object]) -> tuple[str, ...]:
    """Keep only the supported levels. No other level can be reached, so it is not stored."""
    supported = [level.acr for level in Assurance]
    return tuple(value for value in values if isinstance(value, str) and value in supported)


def _intersect_values(value_lists: list[list[Any]], is_possible: Callable[[object], bool]) -> tuple[Any, ...] | None:
    """Return the values that satisfy every rule; None without a rule.

    Values of an impossible form satisfy none.
    """
    if not value_lists:
        return None
    first, *others = value_lists
    return tuple(value for value in first if is_possible(value) and all(value in other for other in others))


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and _SUBJECT.fullmatch(value) is not None


def _is_instant(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**40
