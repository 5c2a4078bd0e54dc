"""Failures of a login, and the texts that explain them to the visitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from machtiging.kernel.errors import NotAuthenticated

CANCELLED = "inloggen_gestopt"


class LoginFailed(NotAuthenticated):
    """A login failed. `code` is the reason, for the page and the log."""


class VouchedLoginFailed(LoginFailed):
    """The id_token has a valid signature, but its claims are refused. This failure is journalled."""


class Explanation(NamedTuple):
    """The HTTP status, title and text of the page about a failed login."""

    status: int
    title: str
    text: str


_EXPIRED = Explanation(
    400, "Dit inloggen is verlopen", "U was te lang weg, of u begon in een andere browser. Begin opnieuw met inloggen."
)
_OTHERWISE = Explanation(
    400, "Inloggen is niet gelukt", "Het antwoord van de inlogdienst klopt niet. Voor uw veiligheid stoppen wij hier."
)
_EXPLANATIONS: Mapping[str, Explanation] = {
    CANCELLED: Explanation(
        200, "U hebt het inloggen gestopt", "U bent niet opnieuw ingelogd. Was u al ingelogd? Dan blijft dat zo."
    ),
    "andere_browser": _EXPIRED,
    "inlogpoging_onbekend": _EXPIRED,
    "inlogpoging_verlopen": _EXPIRED,
    "inloggen_te_lang_geleden": _EXPIRED,
    "niveau_te_laag": Explanation(
        403,
        "Uw inlogniveau is te laag",
        "Voor deze pagina moet u op een hoger niveau inloggen, bijvoorbeeld met een controle van uw identiteitsbewijs.",
    ),
    "broker_niet_bereikbaar": Explanation(
        503, "Inloggen lukt nu niet", "De inlogdienst antwoordt niet. Probeer het over een paar minuten opnieuw."
    ),
}


def explanation_of(failure: LoginFailed) -> Explanation:
    """Return the text for a failed login. The exact reason is shown as a code only."""
    return _EXPLANATIONS.get(failure.code, _OTHERWISE)
