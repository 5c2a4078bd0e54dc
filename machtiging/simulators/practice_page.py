"""The page `/oefenen` of the service itself: be this person, and see this. Practice only.

The service has this route, since it links into the service. The other pages of the simulator have a port of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.identity.session import OptionalVisitor
from machtiging.message_catalogue import CatalogueLabels
from machtiging.simulators.personas import PERSONA_DESCRIPTIONS, PERSONAS, Persona
from machtiging.web.doors import Public
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


class Scene(StrEnum):
    """Something to see in the practice world."""

    LETTERS = "letters"
    WHO_LOOKED = "who_looked"
    GIVE = "give"
    STOP_ALL = "stop_all"
    READ_AS_SON = "read_as_son"
    ASK_TO_HELP = "ask_to_help"
    ENGLISH = "english"
    POST_OF_CLIENTS = "post_of_clients"
    TWELVE_CLIENTS = "twelve_clients"
    WITHOUT_READER = "without_reader"
    COLLEAGUE = "colleague"
    SUPERVISOR = "supervisor"
    ANSWER_QUESTION = "answer_question"
    FIRST_HELPER = "first_helper"
    UNDER_BEWIND = "under_bewind"
    OFFICE = "office"
    PARENT = "parent"
    COUNTER = "counter"
    MAKE_CODE = "make_code"
    CHECK_CODE = "check_code"
    OPERATOR = "operator"
    AUDITOR = "auditor"


SCENE_LABELS: Mapping[Scene, str] = CatalogueLabels("simulator.scene", Scene)
# For each scene the persona, and the page where it begins.
SCENES: Mapping[Scene, tuple[str, str]] = {
    Scene.LETTERS: ("vertegenwoordigde", "/brieven"),
    Scene.WHO_LOOKED: ("vertegenwoordigde", "/wie-keek-mee"),
    Scene.GIVE: ("vertegenwoordigde", "/helpers/nieuw"),
    Scene.STOP_ALL: ("vertegenwoordigde", "/helpers/stop-alles"),
    Scene.READ_AS_SON: ("naaste", "/ik-help"),
    Scene.ASK_TO_HELP: ("naaste", "/ik-help/vragen"),
    Scene.ENGLISH: ("engelstalig", "/?ui_locales=en"),
    Scene.POST_OF_CLIENTS: ("raadslid", "/werk"),
    Scene.TWELVE_CLIENTS: ("raadslid", "/werk/clienten"),
    Scene.WITHOUT_READER: ("raadslid", "/organisatie"),
    Scene.COLLEAGUE: ("collega", "/werk"),
    Scene.SUPERVISOR: ("toezichthouder", "/organisatie/toezicht"),
    Scene.ANSWER_QUESTION: ("burger-onder-bewind", "/helpers/vraag"),
    Scene.FIRST_HELPER: ("burger-onder-bewind", "/"),
    Scene.UNDER_BEWIND: ("client-onder-bewind", "/helpers"),
    Scene.OFFICE: ("bewindvoerder", "/organisatie"),
    Scene.PARENT: ("engelstalig", "/ik-help"),
    Scene.COUNTER: ("burger-zonder-digid", "/aan-de-balie"),
    Scene.MAKE_CODE: ("naaste", "/controleren"),
    Scene.CHECK_CODE: ("controleur", "/controle"),
    Scene.OPERATOR: ("beheerder", "/beheer"),
    Scene.AUDITOR: ("auditor", "/beheer/beleid"),
}


@dataclass(frozen=True, slots=True)
class _SceneLink:
    label: str
    href: str


@router.get("/oefenen")
async def show_practice_world(request: Request, _: Public, visitor: OptionalVisitor) -> HTMLResponse:
    """Show what there is to see in the practice world, by persona."""
    scenes: dict[Persona, list[_SceneLink]] = {}
    for scene, (key, path) in SCENES.items():
        scenes.setdefault(PERSONAS[key], []).append(_SceneLink(SCENE_LABELS[scene], build_login_link(key, path)))
    shown: dict[str, Any] = {"scenes": scenes, "descriptions": PERSONA_DESCRIPTIONS}
    return render_page(request, "oefenwereld.html", visitor=visitor, **shown)


def build_login_link(persona_key: str, path: str) -> str:
    """Return the link that logs in as this persona and opens this page."""
    return "/inloggen?" + urlencode({"login_hint": persona_key, "terug": path})
