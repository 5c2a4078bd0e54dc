"""The exception hierarchy of the application.

    MachtigingError
    ├── Refusal            the request was understood and is refused (the journal line commits)
    │   ├── InvalidInput   the request is malformed
    │   ├── NotFound       the object does not exist, or the caller may not know that it does
    │   ├── NotAllowed     the caller is authenticated and lacks permission
    │   ├── NotInForce     the machtiging is paused, ended or has not begun
    │   ├── ActionMissing  the token lacks an action that a new consent can add
    │   ├── LevelTooLow    the level of assurance is too low; a step-up login would suffice
    │   ├── NotAuthenticated  authentication is missing or invalid
    │   ├── Conflict       the request contradicts the stored state
    │   ├── TooLarge       more bytes or more parts than the limit
    │   ├── UnsupportedMedia  the content type is not accepted here
    │   └── TooMany        too many attempts; retry later
    └── Fault              a failure on our side: all is rolled back, unless the answer to COMMIT was lost (`commits`)

Every refusal has a stable `code` (snake_case, Dutch terms where the law has one), a `message` for the caller, and a
`private` detail for the journal and the logs only. A message is a key of the catalogue with parameters, never a
sentence: `message_catalogue` has the sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

# The MAC of a row failed, so that the row gives nothing (`storage.row_mac`).
ROW_INVALID = "rij_ongeldig"
_NO_PARAMS: Mapping[str, object] = MappingProxyType({})


class Message(NamedTuple):
    """A key of the message catalogue with the parameters of its sentence."""

    key: str
    params: Mapping[str, object] = _NO_PARAMS


class MachtigingError(Exception):
    """Base class of all errors of this application.

    `message` is the key of the sentence for the caller. Without it, `code` is the key. With "" there is no sentence of
    its own, and the one of the error class is used. `params` are the parameters of the sentence.
    """

    # False: the code is no key, so errors of this class have no sentence of their own.
    code_is_key: ClassVar[bool] = True

    def __init__(
        self, code: str, *, message: str | None = None, params: Mapping[str, object] = _NO_PARAMS, private: str = ""
    ) -> None:
        super().__init__(code)
        self.code = code
        key = message if message is not None else code if self.code_is_key else ""
        self.message = Message(key, params) if key else None
        self.private = private

    def __str__(self) -> str:
        return f"{self.code}: {self.private}" if self.private else self.code


class Refusal(MachtigingError):
    """The request is refused. The unit of work commits, so that the journal line is stored."""


class InvalidInput(Refusal):
    """The request is malformed. `fields` maps a field to a message that helps to correct it."""

    def __init__(
        self,
        code: str,
        *,
        message: str | None = None,
        params: Mapping[str, object] = _NO_PARAMS,
        private: str = "",
        fields: Mapping[str, Message] | None = None,
    ) -> None:
        super().__init__(code, message=message, params=params, private=private)
        self.fields = fields or {}


class NotAuthenticated(Refusal):
    """Authentication is missing or invalid. `challenge` is a WWW-Authenticate value in place of the default."""

    challenge: str = ""


class NotAllowed(Refusal):
    """An authenticated caller lacks permission. The caller is told the reason, since it concerns only himself."""


class NotInForce(NotAllowed):
    """The machtiging is not in force now: paused, ended or not begun. The caller is told so."""


class ActionMissing(NotAllowed):
    """The token lacks an action that a new consent can add.

    `action` is its name in `authorization_details`.
    """

    def __init__(self, code: str, *, message: str | None = None, action: str) -> None:
        super().__init__(code, message=message, params={"action": action})
        self.action = action


class LevelTooLow(NotAllowed):
    """The level of assurance is too low, and a step-up login would suffice (RFC 9470).

    `level` and `acr` are the required level, by its name and by its `acr` value.
    """

    def __init__(self, code: str, *, message: str | None = None, level: str, acr: str) -> None:
        super().__init__(code, message=message, params={"level": level})
        self.level = level
        self.acr = acr


class NotFound(Refusal):
    """The object does not exist for this caller. Only the journal has the exact reason.

    `code` is visible to the caller.
    """


class Conflict(Refusal):
    """The request contradicts the stored state."""


class TooLarge(Refusal):
    """The request exceeds a limit of size or number."""


class UnsupportedMedia(Refusal):
    """The content type is not accepted here."""


class TooMany(Refusal):
    """Too many attempts. `retry_after` is in whole seconds."""

    def __init__(
        self,
        code: str,
        *,
        message: str | None = None,
        params: Mapping[str, object] = _NO_PARAMS,
        retry_after: int = 3600,
    ) -> None:
        super().__init__(code, message=message, params=params)
        self.retry_after = retry_after


class Fault(MachtigingError):
    """A failure on our side. The transaction rolls back; the caller gets only a correlation id."""

    code_is_key = False
