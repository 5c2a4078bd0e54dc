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

Every refusal has a stable `code` (snake_case, Dutch terms where the law has one), a `public` sentence in Dutch for the
caller, and a `private` detail for the journal and the logs only.
"""

from __future__ import annotations


class MachtigingError(Exception):
    """Base class of all errors of this application."""

    def __init__(self, code: str, public: str = "", *, private: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.public = public
        self.private = private

    def __str__(self) -> str:
        return f"{self.code}: {self.private or self.public}"


class Refusal(MachtigingError):
    """The request is refused. The unit of work commits, so that the journal line is stored."""


class InvalidInput(Refusal):
    """The request is malformed. `fields` maps a field to a sentence that helps to correct it."""

    def __init__(self, code: str, public: str = "", *, private: str = "", fields: dict[str, str] | None = None) -> None:
        super().__init__(code, public, private=private)
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

    def __init__(self, code: str, public: str = "", *, private: str = "", action: str) -> None:
        super().__init__(code, public, private=private)
        self.action = action


class LevelTooLow(NotAllowed):
    """The level of assurance is too low, and a step-up login would suffice (RFC 9470).

    `level` and `acr` are the required level, by its name and by its `acr` value.
    """

    def __init__(self, code: str, public: str = "", *, private: str = "", level: str, acr: str) -> None:
        super().__init__(code, public, private=private)
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

    def __init__(self, code: str, public: str = "", *, private: str = "", retry_after: int = 3600) -> None:
        super().__init__(code, public, private=private)
        self.retry_after = retry_after


class Fault(MachtigingError):
    """A failure on our side. The transaction rolls back; the caller gets only a correlation id."""
