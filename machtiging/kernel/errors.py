"""The one tree of things that can go wrong.

    MachtigingError
    ├── Refusal            an outcome: the request was understood and the answer is no (its journal line commits)
    │   ├── InvalidInput   the request itself is wrong
    │   ├── NotFound       there is no such thing, or the asker may not know that there is
    │   ├── NotAllowed     the asker is known and may not do this
    │   ├── NotInForce     the machtiging is paused, ended or has not begun
    │   ├── ActionMissing  the token lacks an action that can be asked for
    │   ├── LevelTooLow    a surer login is needed, and would do
    │   ├── NotAuthenticated  the asker did not prove who is asking
    │   ├── Conflict       what was asked does not fit with what is already there
    │   ├── TooLarge       more bytes or more parts than the limit
    │   ├── UnsupportedMedia  a content type that this resource does not take
    │   └── TooMany        too many tries; wait
    └── Fault              our side failed: everything rolls back, unless the answer to COMMIT was lost (`commits`)

Every class of refusal is raised with a stable `code` (snake_case, Dutch terms where the law has one), a `public`
sentence in Dutch for the person who asked, and a `private` detail that only the journal and the logs see.
"""

from __future__ import annotations


class MachtigingError(Exception):
    """Base of all errors raised on purpose."""

    def __init__(self, code: str, public: str = "", *, private: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.public = public
        self.private = private

    def __str__(self) -> str:
        return f"{self.code}: {self.private or self.public}"


class Refusal(MachtigingError):
    """The answer is no. Raised at the door; the unit of work commits, so that the journal keeps it."""


class InvalidInput(Refusal):
    """The request is malformed. `fields` maps a field to the sentence that helps the asker mend it."""

    def __init__(self, code: str, public: str = "", *, private: str = "", fields: dict[str, str] | None = None) -> None:
        super().__init__(code, public, private=private)
        self.fields = fields or {}


class NotAuthenticated(Refusal):
    """No proof, or no valid proof, of who is asking. `challenge` says which one is wanted where it is a special one."""

    challenge: str = ""


class NotAllowed(Refusal):
    """Known asker, not allowed; the reason lies in his own standing, so it is told."""


class NotInForce(NotAllowed):
    """The machtiging does not hold at this instant: paused, ended or not begun. Told openly."""


class ActionMissing(NotAllowed):
    """The token lacks an action that a new consent could give it. `action` is its name in `authorization_details`."""

    def __init__(self, code: str, public: str = "", *, private: str = "", action: str) -> None:
        super().__init__(code, public, private=private)
        self.action = action


class LevelTooLow(NotAllowed):
    """The login is not sure enough for this, and a surer one would do: which, by its own name and by its `acr`."""

    def __init__(self, code: str, public: str = "", *, private: str = "", level: str, acr: str) -> None:
        super().__init__(code, public, private=private)
        self.level = level
        self.acr = acr


class NotFound(Refusal):
    """No such thing for this asker. `code` is what the asker sees; the exact reason goes to the journal only."""


class Conflict(Refusal):
    """What was asked contradicts what is already recorded."""


class TooLarge(Refusal):
    """A size or count limit was passed."""


class UnsupportedMedia(Refusal):
    """The content is not of a kind that is taken here."""


class TooMany(Refusal):
    """Too many tries. `retry_after` is in whole seconds."""

    def __init__(self, code: str, public: str = "", *, private: str = "", retry_after: int = 3600) -> None:
        super().__init__(code, public, private=private)
        self.retry_after = retry_after


class Fault(MachtigingError):
    """Our side failed. The asker learns a correlation id and nothing else; the transaction rolls back."""
