"""The `claims` parameter (OpenID Connect Core 5.5): what an app asks to be told about the person, read and cut down.

Very little is released at all (OIDC-NLGOV 6 and 7, data minimisation): the name of who logged in, when the consent page
said so. Never a BSN. What we do not know is ignored, also when it is called essential: Core 5.5 demands that. Pure.
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
# The claims about a person that are released on request. All others that are listed in discovery are always there.
RELEASED = ("name",)
_LONGEST = 4096
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """What was asked: names to release, by place; and values that the login must have (None: any)."""

    id_token: tuple[str, ...] = ()
    userinfo: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    subjects: tuple[str, ...] | None = None
    auth_times: tuple[int, ...] | None = None


def _wrong() -> NoReturn:
    raise malformed("claims_vormfout", "The claims parameter is malformed (OpenID Connect Core 5.5).")


def claims_from(value: str | Mapping[str, Any] | None) -> ClaimsRequest:
    """What the parameter asks, as JSON text or as the object of a request object. Raises OAuthRefusal."""
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
    """The claims of one place with the values that will do; an empty list stands for any."""
    if wanted is None:
        return {}
    if not isinstance(wanted, Mapping):
        _wrong()
    return {str(name): _values(rule) for name, rule in wanted.items()}


def _values(rule: object) -> list[Any]:
    """`null`, or an object with `essential`, `value` and `values`; members that we do not know are ignored."""
    if rule is None:
        return []
    if not isinstance(rule, Mapping) or not isinstance(rule.get("essential", False), bool):
        _wrong()
    values = rule.get("values", [])
    if not isinstance(values, list) or ("value" in rule and "values" in rule):
        _wrong()
    return [rule["value"]] if "value" in rule else values


def _names(place: dict[str, list[Any]]) -> tuple[str, ...]:
    """Whoever asks for a name of a certain value gets none: this is not the place to guess at one."""
    return tuple(name for name in RELEASED if name in place and not place[name])


def known_levels(values: Iterable[object]) -> tuple[str, ...]:
    """The levels that we know; of others none can be reached, so they need not be remembered."""
    known = [level.acr for level in Assurance]
    return tuple(value for value in values if isinstance(value, str) and value in known)


def _common(asked: list[list[Any]], could_be: Callable[[object], bool]) -> tuple[Any, ...] | None:
    """The values that satisfy every rule; None without a rule. What cannot be a value of ours satisfies none."""
    if not asked:
        return None
    first, *others = asked
    return tuple(value for value in first if could_be(value) and all(value in other for other in others))


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and _SUBJECT.fullmatch(value) is not None


def _is_instant(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**40
