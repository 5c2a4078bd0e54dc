"""The Casbin engine of the entitlements, built once at startup and never changed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import casbin
from casbin.model import Model

from machtiging.access.entitlements.policy_rows import MODEL_LINES, EntitlementRow, read_entitlement_rows
from machtiging.access.entitlements.rules import EntitlementRequest
from machtiging.access.policy_decision import (
    DECISION_FAILED,
    DENIED_BY_POLICY_ROW,
    NO_MATCHING_POLICY_ROW,
    PolicyAllowed,
    PolicyDecision,
    PolicyDenied,
)

# Diensten and agencies are those of the catalogue, so this is more than an installation needs.
_CACHE_SIZE = 8192


class Entitlements:
    """The entitlements as loaded at startup; `digest` identifies them in every signed answer."""

    def __init__(self, rows: Sequence[EntitlementRow]) -> None:
        self.rows = tuple(rows)
        text = "\n".join([*MODEL_LINES, *(row.canonical_text() for row in self.rows)])
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._enforcer = _build_enforcer(self.rows)
        self._decision_cache: dict[EntitlementRequest, PolicyDecision] = {}

    @classmethod
    def load(cls, policies_dir: Path) -> Entitlements:
        """Read the rows. Raises Fault `beleid_onleesbaar`: the service does not start with an error in them."""
        return cls(read_entitlement_rows(policies_dir))

    def decide(self, request: EntitlementRequest) -> PolicyDecision:
        """Decide one question. An error while deciding is a denial and is not cached."""
        answer = self._decision_cache.get(request)
        if answer is not None:
            return answer
        try:
            answer = self._enforce(request)
        except Exception:  # noqa: BLE001 (fail closed; the caller journals it)
            return PolicyDenied(None, DECISION_FAILED)
        if len(self._decision_cache) >= _CACHE_SIZE:
            self._decision_cache.clear()
        self._decision_cache[request] = answer
        return answer

    def rows_of(self, oin: str) -> tuple[EntitlementRow, ...]:
        """Return the rows about one agency, for people to read."""
        return tuple(row for row in self.rows if row.covers_agency(oin))

    def _enforce(self, request: EntitlementRequest) -> PolicyDecision:
        if self._enforcer is None:
            return PolicyDenied(None, NO_MATCHING_POLICY_ROW)
        allowed, row = self._enforcer.enforce_ex(*request.casbin_values())
        if allowed is True and row:
            return PolicyAllowed(row[0])
        return PolicyDenied(row[0], DENIED_BY_POLICY_ROW) if row else PolicyDenied(None, NO_MATCHING_POLICY_ROW)


def _build_enforcer(rows: Sequence[EntitlementRow]) -> casbin.Enforcer | None:
    if not rows:
        return None
    model = Model()
    model.load_model_from_text("\n".join(MODEL_LINES) + "\n")
    model["p"]["p"].policy = [row.casbin_values() for row in rows]
    enforcer = casbin.Enforcer(model)
    enforcer.logger = logging.Logger("nowhere", logging.CRITICAL + 1)  # Casbin would log every request
    return enforcer
