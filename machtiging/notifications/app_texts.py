"""Texts of notifications about apps. Pure; see `texts`."""

from __future__ import annotations

from machtiging.notifications.kinds import Kind

_STOP = "Wilt u dat dit stopt? Log dan in bij Machtigen, ga naar /machtigingen en kies bij deze machtiging: {stop}."
GIVER_STOPS = _STOP.format(stop="Intrekken")
HELPER_STOPS = _STOP.format(stop="Teruggeven")
_STOLEN = "Een sleutel van de app is twee keer gebruikt. Dat hoort niet. Misschien heeft iemand die sleutel gestolen."
_APPS = "Wilt u zien welke apps nog toegang hebben? Log in bij Machtigen en ga naar /apps."

# {app} is the registered name of the app.
APP_TEXTS: dict[Kind, tuple[str, tuple[str, ...]]] = {
    Kind.APP_AFGESLOTEN: (
        "Wij hebben een app afgesloten",
        (
            "U gaf {app} toegang. Wij hebben die toegang gestopt. Er is misschien iets mis.",
            _STOLEN,
            "De app kan er nu niet meer in. Vertrouwt u de app? Dan kunt u in de app opnieuw inloggen.",
            "Vertrouwt u het niet? Log dan in bij Machtigen en kijk bij /inzage wat er met uw post is gedaan.",
            _APPS,
        ),
    ),
    Kind.APP_AFGESLOTEN_BIJ_HELPER: (
        "Wij hebben een app van uw helper afgesloten",
        (
            "{Helper} las uw post met {app}. Wij hebben de toegang van die app gestopt. Er is misschien iets mis.",
            _STOLEN,
            "De app kan er nu niet meer in. Uw machtiging geldt nog wel.",
            "Log in bij Machtigen en kijk bij /inzage wat er met uw post is gedaan.",
            GIVER_STOPS,
        ),
    ),
    Kind.APP_AFGESLOTEN_VOOR_HELPER: (
        "Wij hebben een app afgesloten",
        (
            "U las post van {giver} met {app}. Wij hebben de toegang van die app gestopt. Er is misschien iets mis.",
            _STOLEN,
            "Uw machtiging geldt nog wel. Vertrouwt u de app? Dan kunt u in de app opnieuw inloggen.",
            "Wij hebben dit ook verteld aan {giver}.",
            _APPS,
        ),
    ),
    Kind.APP_GESTOPT_DOOR_U: (
        "U heeft de toegang van een app gestopt",
        (
            "U heeft de toegang gestopt van {app}. De app kan er nu niet meer in.",
            _APPS,
            "Heeft u dit niet zelf gedaan? Dan heeft misschien iemand anders voor u ingelogd. Bel ons dan.",
        ),
    ),
    Kind.APP_GESTOPT_DOOR_GEVER: (
        "De toegang van uw app is gestopt",
        (
            "{Giver} heeft de toegang gestopt van {app}. U las met die app post van {giver}.",
            "De machtiging zelf geldt nog wel. U kunt nog post lezen bij Machtigen, zoals afgesproken.",
            _APPS,
        ),
    ),
    Kind.APP_GESTOPT_ORGANISATIE: (
        "De toegang van uw app is gestopt",
        (
            "Wij hebben de toegang gestopt van {app}. U las met die app post van {giver}.",
            "Een machtiging werkt nu alleen nog als u bent ingelogd zoals toen u haar aannam: "
            "voor dezelfde organisatie, of als uzelf.",
            "De machtiging zelf geldt nog wel. Log in de app opnieuw in, en daarbij voor die organisatie of als uzelf.",
            _APPS,
        ),
    ),
}
