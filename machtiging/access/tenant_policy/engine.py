"""The Casbin engine of one AuthZEN tenant. It decides nothing about the box.

pycasbin is not safe for threads. Every decision runs on the event loop, and no decision awaits.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

import casbin
import structlog
from casbin.model import Model

from machtiging.access.tenant_policy.files import TenantPolicyContent
from machtiging.kernel.errors import Fault

_REQUEST_TOKENS = ["r_sub", "r_act", "r_obj", "r_ctx"]
_log = structlog.get_logger("machtiging.access")


class RequestAttributes:
    """JSON members as attributes for a matcher: `r.sub.properties.role`. A missing member is None."""

    __slots__ = ("_members",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    def __getattr__(self, name: str) -> Any:
        value = self._members.get(name)
        return RequestAttributes(value) if isinstance(value, dict) else value


class TenantPolicy:
    """The policy of one tenant, built once at startup; `digest` identifies it in the log."""

    def __init__(self, content: TenantPolicyContent) -> None:
        """Build the enforcer. Raises Fault `authzen_tenant_onleesbaar` for a model or row that Casbin cannot use."""
        self.digest, self._place = content.digest, content.place
        try:
            self._enforcer = _build_enforcer(content)
        except Fault:
            raise
        except Exception as error:  # Casbin raises plain exceptions of many kinds
            raise Fault("authzen_tenant_onleesbaar", private=f"{content.place}: {error}") from error

    def enforce(self, request: Mapping[str, Mapping[str, Any]]) -> bool:
        """Decide on `sub`, `act`, `obj` and `ctx`. Raises what the matcher raises."""
        values = (RequestAttributes(request[name]) for name in ("sub", "act", "obj", "ctx"))
        return self._enforcer.enforce(*values) is True

    def try_requests(self, requests: Iterable[Mapping[str, Mapping[str, Any]]]) -> None:
        """Decide these requests at startup. Raises Fault `authzen_tenant_onleesbaar` when the matcher fails."""
        try:
            for request in requests:
                self.enforce(request)
        except Exception as error:  # the matcher is of the operator, and raises anything
            private = f"{self._place}: the matcher fails: {type(error).__name__} {error}"
            raise Fault("authzen_tenant_onleesbaar", private=private) from error

    def decide(self, request: Mapping[str, Mapping[str, Any]]) -> bool:
        """Decide as `enforce`. An error while deciding is a denial."""
        try:
            return self.enforce(request)
        except Exception as error:  # noqa: BLE001 (fail closed)
            _log.warning("tenant_decision_failed", digest=self.digest, kind=type(error).__name__)
            return False


def _build_enforcer(content: TenantPolicyContent) -> casbin.Enforcer:
    model = Model()
    model.load_model_from_text(content.model)
    if model["r"]["r"].tokens != _REQUEST_TOKENS:
        raise Fault("authzen_tenant_onleesbaar", private=f"{content.place}: the request must be r = sub, act, obj, ctx")
    _check_matcher(content, model["m"]["m"].value)
    for place, (key, *values) in content.rows:
        assertion = model.model.get(key[:1], {}).get(key)
        if key[:1] not in ("p", "g") or assertion is None or len(values) != _count_columns(assertion, key):
            raise Fault("authzen_tenant_onleesbaar", private=f"{place}: the row does not fit the model")
        assertion.policy.append(values)
    if not model["p"]["p"].policy:
        raise Fault("authzen_tenant_onleesbaar", private=f"{content.place}: there is no row that allows anything")
    enforcer = casbin.Enforcer(model)
    enforcer.logger = logging.Logger("nowhere", logging.CRITICAL + 1)  # Casbin would log every request
    enforcer.build_role_links()
    return enforcer


def _check_matcher(content: TenantPolicyContent, matcher: str) -> None:
    """Refuse a matcher that is not one expression.

    `a = b && c` would be an assignment, and decide on `c` alone.
    """
    try:
        # The same words as Casbin puts in the place of its operators.
        ast.parse(re.sub(r"!(?!=)", "not ", matcher.replace("&&", " and ").replace("||", " or ")).strip(), mode="eval")
    except SyntaxError as error:
        raise Fault("authzen_tenant_onleesbaar", private=f"{content.place}: the matcher: {error.msg}") from error


def _count_columns(assertion: Any, key: str) -> int:
    """Count the columns of a row of `p`, or of `g = _, _`."""
    return assertion.value.count("_") if key.startswith("g") else len(assertion.tokens)
