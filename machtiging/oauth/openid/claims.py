"""The `claims` parameter (OpenID Connect Core 5.5), parsed and reduced. Pure.

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
from machtiging.oauth.errors import malformed

ID_TOKEN, USERINFO = "id_token", "userinfo"
# The claims about a person that are released on request. All other claims in the discovery document are always present.
RELEASED = ("name",)
_LONGEST = 4096
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


def _wrong() -> NoReturn:
    raise malformed("claims_vormfout", "The claims parameter is malformed (OpenID Connect Core 5.5).")


def claims_from(value: str | Mapping[str, Any] | None) -> ClaimsRequest:
    """Parse the parameter, as JSON text or as a member of a request object.

    Raises OAuthRefusal `invalid_request`.
    """
    if value is None:
        return ClaimsRequest()
    asked = _decoded(value) if isinstance(value, str) else value
    if not isinstance(asked, Mapping):
        _wrong()
    places = {place: _place(asked.get(place)) for place in (ID_TOKEN, USERINFO)}
    both = [wanted for place in places.values() for wanted in place.items()]
    return ClaimsRequest(
        id_token=_names(places[ID_TOKEN]),
        userinfo=_names(places[USERINFO]),
        levels=tuple(known_levels(values) for name, values in both if name == "acr" and values),
        subjects=_common([values for name, values in both if name == "sub" and values], _is_subject),
        auth_times=_common([values for name, values in both if name == "auth_time" and values], _is_instant),
    )


def _decoded(text: str) -> Any:
    if len(text) > _LONGEST:
        _wrong()
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        _wrong()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _place(wanted: object) -> dict[str, list[Any]]:
    """Return the claims of one location with their allowed values; an empty list allows any."""
    if wanted is None:
        return {}
    if not isinstance(wanted, Mapping):
        _wrong()
    return {str(name): _values(rule) for name, rule in wanted.items()}


def _values(rule: object) -> list[Any]:
    """Return the allowed values of one claim.

    The rule is `null`, or an object with `essential`, `value` and `values`; unknown members are ignored.
    """
    if rule is None:
        return []
    if not isinstance(rule, Mapping) or not isinstance(rule.get("essential", False), bool):
        _wrong()
    values = rule.get("values", [])
    if not isinstance(values, list) or ("value" in rule and "values" in rule):
        _wrong()
    return [rule["value"]] if "value" in rule else values


def _names(place: dict[str, list[Any]]) -> tuple[str, ...]:
    """Select the releasable claims requested without a value.

    A claim with a requested value is not released: an answer would confirm a guess.
    """
    return tuple(name for name in RELEASED if name in place and not place[name])


def known_levels(values: Iterable[object]) -> tuple[str, ...]:
    """Keep only the supported levels. No other level can be reached, so it is not stored."""
    known = [level.acr for level in Assurance]
    return tuple(value for value in values if isinstance(value, str) and value in known)


def _common(asked: list[list[Any]], could_be: Callable[[object], bool]) -> tuple[Any, ...] | None:
    """Return the values that satisfy every rule; None without a rule.

    Values of an impossible form satisfy none.
    """
    if not asked:
        return None
    first, *others = asked
    return tuple(value for value in first if could_be(value) and all(value in other for other in others))


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and _SUBJECT.fullmatch(value) is not None


def _is_instant(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**40
