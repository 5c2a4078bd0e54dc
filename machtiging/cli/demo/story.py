"""The story: a citizen lets her son read part of her post, and revokes it.

It has seven steps and uses HTTP against the running servers. Every step checks its result.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from machtiging.agencies.rules import Theme
from machtiging.audit.acts import Outcome
from machtiging.cli.demo.agency import Agency, published
from machtiging.cli.demo.letters import CHOSEN, LETTERS, LETTERS_FROM_DAYS, Letter
from machtiging.cli.demo.pdf import attachment
from machtiging.cli.demo.people import PURPOSE, Someone
from machtiging.cli.demo.reading_app import NAME, ReadingApp, anonymous
from machtiging.cli.demo.telling import Teller, expect
from machtiging.cli.demo.world import World, plain_http
from machtiging.delegation.rules import Act
from machtiging.kernel.clock import day_in_the_netherlands
from machtiging.portal import words
from machtiging.simulators.personas import PERSONAS

_MAIL_WITHIN_SECONDS = 20.0
_NO_SUCH = "bericht_bestaat_niet"


@dataclass
class Telling:
    """The progress of one run of the story."""

    world: World
    teller: Teller
    http: httpx.AsyncClient
    mark: str = field(default_factory=lambda: secrets.token_hex(4))
    ids: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    missing: str = field(default_factory=lambda: str(uuid4()))

    def letters(self, *, inside: bool) -> list[Letter]:
        """Return the letters inside, or outside, the scope of the machtiging."""
        return [letter for letter in LETTERS if (letter.outside is None) is inside]

    def tell(self, what: str, module: str) -> None:
        """Print one event."""
        self.teller.tell(what, module)


async def tell(world: World, teller: Teller) -> None:
    """Play the whole story. Raises StoryFailed at the first step that fails."""
    async with plain_http() as http:
        story = Telling(world, teller, http)
        teller.begin(1, "Drie organisaties leveren samen tien brieven af")
        await _deliver(story)
        teller.begin(2, "Zij logt in en biedt haar zoon een machtiging aan")
        her = await Someone.logs_in(world, http, "vertegenwoordigde")
        code = await _offer(story, her)
        teller.begin(3, "Haar zoon ziet wat hij aanneemt, en neemt het aan")
        him = await Someone.logs_in(world, http, "naaste")
        machtiging_id = await _accept(story, him, code)
        teller.begin(4, "Zijn leesapp krijgt een toegangsbewijs voor tien minuten")
        app = await _get_token(story, him, machtiging_id)
        teller.begin(5, "Hij leest wat is afgesproken, en niets anders")
        await _read(story, app)
        await _try_outside(story, app)
        await _try_to_delete(story, app, her)
        teller.begin(6, "Zij ziet wie wat las, en wat is geweigerd")
        await _look(story, her, machtiging_id)
        teller.begin(7, "Zij trekt de machtiging in, en het is meteen voorbij")
        await _revoke(story, her, app, machtiging_id)


async def _deliver(story: Telling) -> None:
    bsn = PERSONAS["vertegenwoordigde"].bsn or ""
    agencies: dict[str, Agency] = {}
    for letter in LETTERS:
        if letter.sender not in agencies:
            agencies[letter.sender] = await Agency.join(story.world, story.http, letter.sender, letter.oin)
            story.tell(f"{letter.sender} is aangesloten met OIN {letter.oin}", "oauth/register_client.py")
        delivered = await agencies[letter.sender].deliver(letter, bsn, f"{letter.reference}-{story.mark}")
        story.ids[letter.reference] = delivered
    expect(that=len(set(story.ids.values())) == len(LETTERS), expected="tien brieven", got=len(story.ids))
    story.tell(
        f"{len(LETTERS)} brieven met een PDF zijn afgeleverd; twee keer sturen is één brief", "berichtenbox/deliver.py"
    )


async def _offer(story: Telling, her: Someone) -> str:
    story.tell(f"{her.persona.name} is ingelogd", "identity/login.py")
    story.unread = await her.unread(set(story.ids.values()))
    expect(that=len(story.unread) == len(LETTERS), expected="tien ongelezen brieven", got=len(story.unread))
    code = await her.offers()
    story.tell(
        f"zij biedt aan: {words.listing(CHOSEN)}, niets over zorg, 90 dagen, voor '{PURPOSE}'", "delegation/offer.py"
    )
    story.tell(f"zij krijgt een code van {len(code.replace('-', ''))} tekens, één keer te zien", "delegation/codes.py")
    return code


async def _accept(story: Telling, him: Someone, code: str) -> str:
    story.tell(f"{him.persona.name} is ingelogd", "identity/login.py")
    her = PERSONAS["vertegenwoordigde"]
    before = await story.world.mails(story.http)
    shown, machtiging_id = await him.accepts(code, date.fromisoformat(her.birthdate or ""))
    for expected in (her.name, PURPOSE, *CHOSEN, words.ACT[Act.DOWNLOAD], words.THEME[Theme.ZORG]):
        expect(that=expected in shown, expected=f"'{expected}' op de pagina voor het aannemen", got=shown[:600])
    story.tell("hij ziet precies wat hij aanneemt, en neemt het aan", "delegation/accept.py")
    await _both_are_told(story, before, {her.email, him.persona.email})
    story.tell("beiden krijgen een e-mail", "notifications/send.py")
    return machtiging_id


async def _both_are_told(story: Telling, before: list[dict[str, Any]], wanted: set[str]) -> None:
    waited, told = 0.0, set[str]()
    while waited < _MAIL_WITHIN_SECONDS:
        mails = [
            mail
            for mail in await story.world.mails(story.http)
            if mail not in before and "aangenomen" in mail["onderwerp"]
        ]
        told = {address for mail in mails for address in mail["aan"]}
        if wanted <= told:
            return
        await asyncio.sleep(0.2)
        waited += 0.2
    expect(that=wanted <= told, expected="een e-mail aan beiden", got=f"{len(wanted & told)} van {len(wanted)}")


async def _get_token(story: Telling, him: Someone, machtiging_id: str) -> ReadingApp:
    app = await ReadingApp.install(story.world, story.http)
    consent = await app.log_in(him.browser, machtiging_id)
    for expected in (NAME, PERSONAS["vertegenwoordigde"].name):
        expect(that=expected in consent, expected=f"'{expected}' op de toestemmingspagina", got=consent[:600])
    story.tell("de app stuurt haar vraag vooruit, hij geeft toestemming, de app wisselt de code in", "oauth/routes.py")
    claims = app.claims()
    details = claims.get("authorization_details") or [{}]
    expect(that=claims["exp"] - claims["iat"] == 600, expected="tien minuten geldig", got=claims["exp"] - claims["iat"])
    named = details[0].get("machtiging")
    expect(that=named == machtiging_id, expected="deze machtiging in het toegangsbewijs", got=named)
    represented = claims.get("represents", {}).get("sub")
    both = bool(represented) and represented != claims["sub"]
    expect(that=both, expected="twee mensen: wie handelt (sub) en voor wie (represents)", got=sorted(claims))
    story.tell("het toegangsbewijs zegt: hij handelt, voor haar, met deze machtiging", "oauth/issue.py")
    return app


async def _read(story: Telling, app: ReadingApp) -> None:
    listed = await app.everything()
    ids = {item["berichtId"] for item in listed}
    wanted = {story.ids[letter.reference] for letter in story.letters(inside=True)}
    hidden = {story.ids[letter.reference] for letter in story.letters(inside=False)}
    expect(that=wanted <= ids, expected=f"alle {len(wanted)} afgesproken brieven in de lijst", got=len(wanted & ids))
    expect(that=not hidden & ids, expected="geen andere brief in de lijst", got=len(hidden & ids))
    # The database may hold letters of an earlier run. Those must be inside the scope as well.
    since = day_in_the_netherlands(story.world.now()) - timedelta(days=LETTERS_FROM_DAYS)
    strange = [
        item
        for item in listed
        if item["afzender"]["naam"] not in CHOSEN or item["publicatietijdstip"][:10] < since.isoformat()
    ]
    expect(that=not strange, expected="alleen gekozen afzenders en datums", got=len(strange))
    story.tell(f"de lijst toont de {len(wanted)} brieven die zijn afgesproken en geen andere", "berichtenbox/browse.py")
    letter = story.letters(inside=True)[0]
    bericht_id = story.ids[letter.reference]
    response = await app.get(f"/berichten/{bericht_id}")
    read: dict[str, Any] = response.json()
    expect(that=read.get("inhoud") == letter.inhoud, expected="de brief zoals verstuurd", got=response.text[:200])
    story.tell(f"hij leest '{letter.onderwerp}'", "berichtenbox/read.py")
    enclosed = read["bijlagen"][0]
    pdf = await app.get(f"/berichten/{bericht_id}/bijlagen/{enclosed['bijlageId']}")
    sent = attachment(letter, letter.sender, published(letter, story.world.now()))
    same = pdf.status_code == 200 and hashlib.sha256(pdf.content).digest() == hashlib.sha256(sent).digest()
    expect(that=same, expected="de PDF zoals verstuurd", got=f"{pdf.status_code}, {len(pdf.content)} bytes")
    saved = pdf.headers.get("content-disposition", "").startswith("attachment")
    expect(that=saved, expected="de PDF als download", got=pdf.headers.get("content-disposition"))
    story.tell(f"hij haalt {enclosed['naam']} op", "berichtenbox/download.py")


async def _try_outside(story: Telling, app: ReadingApp) -> None:
    nothing = anonymous(await app.get(f"/berichten/{story.missing}"))
    expect(that=nothing[0] == 404, expected="404 voor een brief die niet bestaat", got=nothing[0])
    seen: set[str] = set()
    for letter in story.letters(inside=False):
        if letter.outside is None or letter.outside in seen:
            continue
        seen.add(letter.outside)
        answer = anonymous(await app.get(f"/berichten/{story.ids[letter.reference]}"))
        same = answer == nothing
        expect(that=same, expected="hetzelfde antwoord als voor een brief die niet bestaat", got=(answer, nothing))
        story.refused.append(letter.outside)
    expect(that=len(seen) == 3, expected="drie soorten weigering", got=seen)
    story.tell("drie brieven buiten de afspraak lijken voor hem niet te bestaan", "access/guard.py")


async def _try_to_delete(story: Telling, app: ReadingApp, her: Someone) -> None:
    letter = story.letters(inside=True)[0]
    response = await app.delete(f"/berichten/{story.ids[letter.reference]}")
    expect(that=response.status_code == 403, expected="403 op weggooien", got=response.status_code)
    code = response.json().get("code")
    expect(that=code == "handeling_niet_toegestaan", expected="de reden, openlijk", got=code)
    story.refused.append(code)
    story.tell("weggooien wordt openlijk geweigerd: dat mag niet met deze machtiging", "access/guard.py")
    after = await her.unread(set(story.ids.values()))
    expect(that=after == story.unread, expected="haar ongelezen brieven zijn nog ongelezen", got=len(after))
    story.tell("voor haar is elke brief nog ongelezen", "berichtenbox/read.py")


async def _look(story: Telling, her: Someone, machtiging_id: str) -> None:
    seen = await her.who_looked()
    his_name, letter = PERSONAS["naaste"].name, story.letters(inside=True)[0]
    acts = ("lijst", "lezen", "downloaden")
    did = [words.deed(f"bericht:{act}", refused=False, sender=letter.sender) for act in acts]
    read = f"{his_name} {did[1]}"
    for expected in (his_name, *did, read, NAME, PURPOSE, "Dit is geweigerd.", *map(words.reason, story.refused)):
        expect(that=expected in seen, expected=f"'{expected}' in haar overzicht", got=seen[:800])
    story.tell(f"zij ziet: {his_name} {did[1]}, wanneer, en met welke machtiging", "portal/overview.py")
    lines = await story.world.journal_of(UUID(machtiging_id))
    reasons = {line.reason for line in lines if line.outcome == Outcome.REFUSED}
    wanted = {*story.refused, _NO_SUCH}
    expect(that=reasons == wanted, expected=f"in het journaal: {sorted(wanted)}", got=sorted(reasons))
    story.tell("het journaal heeft voor elke weigering de eigen reden", "audit/journal.py")


async def _revoke(story: Telling, her: Someone, app: ReadingApp, machtiging_id: str) -> None:
    letter = story.letters(inside=True)[1]
    path = f"/berichten/{story.ids[letter.reference]}"
    still = await app.get(path)
    expect(that=still.status_code == 200, expected="vlak ervoor leest hij nog", got=still.status_code)
    await her.revokes(machtiging_id)
    story.tell("zij trekt de machtiging in", "delegation/end.py")
    response = await app.get(path)
    told = response.json()
    answer = (response.status_code, told.get("code"))
    expect(that=answer == (403, "machtiging_beeindigd"), expected="403 machtiging_beeindigd", got=answer)
    left = int(app.claims()["exp"] - story.world.now().timestamp())
    story.tell(f"zijn toegangsbewijs is nog {left} seconden geldig; toch: {told['detail']}", "access/guard.py")
    report = await story.world.seal_and_verify()
    expect(that=report.ok, expected="een gaaf journaal", got=[problem.text for problem in report.problems][:3])
    story.tell(f"het journaal klopt: {report.lines} regels genummerd, geketend en ondertekend", "audit/verify.py")
