"""The story: a citizen lets her son read part of her post, and revokes it.

It has seven steps and uses HTTP against the running servers. Every step checks its result.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from machtiging.agencies.rules import Theme
from machtiging.audit.acts import JournalOutcome
from machtiging.cli.demo.agency import DemoAgency, publication_time
from machtiging.cli.demo.environment import StoryEnvironment, create_http_client
from machtiging.cli.demo.letters import CHOSEN_SENDERS, HIDDEN_THEME, LETTERS, DemoLetter, first_day_of_letters
from machtiging.cli.demo.narrator import StoryNarrator, check_step
from machtiging.cli.demo.organisation import ORGANISATION_NAME, add_practice_organisation
from machtiging.cli.demo.pdf import render_attachment
from machtiging.cli.demo.portal_user import PURPOSE, PortalUser
from machtiging.cli.demo.reading_app import APP_NAME, ReadingApp, normalise_response
from machtiging.cli.demo.verifying_agency import AGENCY_NAME, DemoVerifier
from machtiging.delegation.rules import Act
from machtiging.kernel.clock import to_dutch_date
from machtiging.message_catalogue import get_sentence
from machtiging.portal import labels
from machtiging.simulators.personas import PERSONAS

_MAIL_WITHIN_SECONDS = 20.0
_UNKNOWN_LETTER_REASON = "bericht_bestaat_niet"


@dataclass
class StoryProgress:
    """The progress of one run of the story."""

    environment: StoryEnvironment
    narrator: StoryNarrator
    http: httpx.AsyncClient
    reference_suffix: str = field(default_factory=lambda: secrets.token_hex(4))
    bericht_ids: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    refusal_reasons: list[str] = field(default_factory=list)
    unknown_bericht_id: str = field(default_factory=lambda: str(uuid4()))

    def select_letters(self, *, inside: bool) -> list[DemoLetter]:
        """Return the letters inside, or outside, the scope of the machtiging."""
        return [letter for letter in LETTERS if (letter.refusal_reason is None) is inside]

    def tell_event(self, what: str, module: str) -> None:
        """Print one event."""
        self.narrator.tell_event(what, module)


async def play_story(environment: StoryEnvironment, narrator: StoryNarrator) -> None:
    """Play the whole story. Raises StoryFailed at the first step that fails."""
    async with create_http_client() as http:
        story = StoryProgress(environment, narrator, http)
        narrator.begin_step(1, "Drie organisaties leveren samen tien brieven af")
        await _deliver_letters(story)
        if await add_practice_organisation(environment):
            story.tell_event(
                f"{ORGANISATION_NAME} is erkend; haar beheerder mag inloggen", "organisations/recognition.py"
            )
        narrator.begin_step(2, "Zij logt in en biedt haar zoon een machtiging aan")
        her = await PortalUser.log_in(environment, http, "vertegenwoordigde")
        code = await _offer_machtiging(story, her)
        narrator.begin_step(3, "Haar zoon ziet wat hij aanneemt, en neemt het aan")
        him = await PortalUser.log_in(environment, http, "naaste")
        machtiging_id = await _accept_machtiging(story, him, code)
        narrator.begin_step(4, "Zijn leesapp krijgt een toegangsbewijs voor tien minuten")
        app = await _get_token(story, him, machtiging_id)
        narrator.begin_step(5, "Hij leest wat is afgesproken, en niets anders")
        await _read_letters(story, app)
        await _try_letters_outside_scope(story, app)
        await _try_to_delete_letter(story, app, her)
        narrator.begin_step(6, "Zij ziet wie wat las, en wat is geweigerd")
        await _check_overview(story, her, machtiging_id)
        verifier = await DemoVerifier.register_verifier(environment, http)
        parties = (her.persona.bsn or "", him.persona.bsn or "", machtiging_id)
        allowed_at = await _verify_machtiging(story, verifier, her, parties)
        narrator.begin_step(7, "Zij trekt de machtiging in, en het is meteen voorbij")
        await _revoke_machtiging(story, her, app, machtiging_id)
        await _verify_after_revocation(story, verifier, parties, allowed_at)
        await _verify_journal(story)


async def _deliver_letters(story: StoryProgress) -> None:
    bsn = PERSONAS["vertegenwoordigde"].bsn or ""
    agencies: dict[str, DemoAgency] = {}
    for letter in LETTERS:
        if letter.sender not in agencies:
            agencies[letter.sender] = await DemoAgency.register_sender(
                story.environment, story.http, letter.sender, letter.sender_oin
            )
            story.tell_event(f"{letter.sender} is aangesloten met OIN {letter.sender_oin}", "oauth/register_client.py")
        delivered = await agencies[letter.sender].deliver_letter(
            letter, bsn, f"{letter.reference}-{story.reference_suffix}"
        )
        story.bericht_ids[letter.reference] = delivered
    check_step(
        condition=len(set(story.bericht_ids.values())) == len(LETTERS),
        expected="tien brieven",
        got=len(story.bericht_ids),
    )
    story.tell_event(
        f"{len(LETTERS)} brieven met een PDF zijn afgeleverd; twee keer sturen is één brief",
        "berichtenbox/aanlevering.py",
    )


async def _offer_machtiging(story: StoryProgress, her: PortalUser) -> str:
    story.tell_event(f"{her.persona.name} is ingelogd", "identity/login.py")
    story.unread = await her.find_unread(set(story.bericht_ids.values()))
    check_step(condition=len(story.unread) == len(LETTERS), expected="tien ongelezen brieven", got=len(story.unread))
    code = await her.offer_machtiging()
    story.tell_event(
        f"zij biedt aan: {labels.join_phrases(CHOSEN_SENDERS)}, niets over zorg, 90 dagen, voor '{PURPOSE}'",
        "delegation/offer.py",
    )
    story.tell_event(
        f"zij krijgt een code van {len(code.replace('-', ''))} tekens, één keer te zien",
        "delegation/machtigingscode.py",
    )
    return code


async def _accept_machtiging(story: StoryProgress, him: PortalUser, code: str) -> str:
    story.tell_event(f"{him.persona.name} is ingelogd", "identity/login.py")
    her = PERSONAS["vertegenwoordigde"]
    before = await story.environment.fetch_emails(story.http)
    shown, machtiging_id = await him.accept_machtiging(code, date.fromisoformat(her.birthdate or ""))
    for expected in (
        her.name,
        PURPOSE,
        *CHOSEN_SENDERS,
        labels.ACT_LABELS[Act.DOWNLOAD],
        labels.THEME_LABELS[Theme.BELASTINGEN],
    ):
        check_step(
            condition=expected in shown, expected=f"'{expected}' op de pagina voor het aannemen", got=shown[:600]
        )
    hidden = labels.THEME_LABELS[HIDDEN_THEME]
    check_step(condition=hidden not in shown, expected=f"niets over {hidden}", got=shown[:600])
    story.tell_event("hij ziet precies wat hij aanneemt, en neemt het aan", "delegation/acceptance.py")
    await _wait_for_emails(story, before, {her.email, him.persona.email})
    story.tell_event("beiden krijgen een e-mail", "notifications/outbox_dispatcher.py")
    return machtiging_id


async def _wait_for_emails(story: StoryProgress, before: list[dict[str, Any]], recipients: set[str]) -> None:
    waited, subjects = 0.0, set[str]()
    while waited < _MAIL_WITHIN_SECONDS:
        mails = [
            mail
            for mail in await story.environment.fetch_emails(story.http)
            if mail not in before and "aangenomen" in mail["onderwerp"]
        ]
        subjects = {address for mail in mails for address in mail["aan"]}
        if recipients <= subjects:
            return
        await asyncio.sleep(0.2)
        waited += 0.2
    check_step(
        condition=recipients <= subjects,
        expected="een e-mail aan beiden",
        got=f"{len(recipients & subjects)} van {len(recipients)}",
    )


async def _get_token(story: StoryProgress, him: PortalUser, machtiging_id: str) -> ReadingApp:
    app = await ReadingApp.register_app(story.environment, story.http)
    consent = await app.authorize_app(him.browser, machtiging=machtiging_id)
    for expected in (APP_NAME, PERSONAS["vertegenwoordigde"].name):
        check_step(condition=expected in consent, expected=f"'{expected}' op de toestemmingspagina", got=consent[:600])
    story.tell_event(
        "de app stuurt haar vraag vooruit, hij geeft toestemming, de app wisselt de code in", "oauth/routes.py"
    )
    claims = app.decode_claims()
    details = claims.get("authorization_details") or [{}]
    check_step(
        condition=claims["exp"] - claims["iat"] == 600,
        expected="tien minuten geldig",
        got=claims["exp"] - claims["iat"],
    )
    named = details[0].get("machtiging")
    check_step(condition=named == machtiging_id, expected="deze machtiging in het toegangsbewijs", got=named)
    represented = claims.get("represents", {}).get("sub")
    both = bool(represented) and represented != claims["sub"]
    check_step(condition=both, expected="twee mensen: wie handelt (sub) en voor wie (represents)", got=sorted(claims))
    story.tell_event("het toegangsbewijs zegt: hij handelt, voor haar, met deze machtiging", "oauth/token_issuance.py")
    return app


async def _read_letters(story: StoryProgress, app: ReadingApp) -> None:
    listed = await app.list_berichten()
    ids = {item["berichtId"] for item in listed}
    wanted = {story.bericht_ids[letter.reference] for letter in story.select_letters(inside=True)}
    hidden = {story.bericht_ids[letter.reference] for letter in story.select_letters(inside=False)}
    check_step(
        condition=wanted <= ids, expected=f"alle {len(wanted)} afgesproken brieven in de lijst", got=len(wanted & ids)
    )
    check_step(condition=not hidden & ids, expected="geen andere brief in de lijst", got=len(hidden & ids))
    # The database may hold letters of an earlier run. Those must be inside the scope as well.
    since = first_day_of_letters(to_dutch_date(story.environment.now()))
    strange = [
        item
        for item in listed
        if item["afzender"]["naam"] not in CHOSEN_SENDERS or item["publicatietijdstip"][:10] < since.isoformat()
    ]
    check_step(condition=not strange, expected="alleen gekozen afzenders en datums", got=len(strange))
    story.tell_event(
        f"de lijst toont de {len(wanted)} brieven die zijn afgesproken en geen andere", "berichtenbox/bericht_list.py"
    )
    letter = story.select_letters(inside=True)[0]
    bericht_id = story.bericht_ids[letter.reference]
    response = await app.get_resource(f"/berichten/{bericht_id}")
    read: dict[str, Any] = response.json()
    check_step(
        condition=read.get("inhoud") == letter.inhoud, expected="de brief zoals verstuurd", got=response.text[:200]
    )
    story.tell_event(f"hij leest '{letter.onderwerp}'", "berichtenbox/reader.py")
    enclosed = read["bijlagen"][0]
    pdf = await app.get_resource(f"/berichten/{bericht_id}/bijlagen/{enclosed['bijlageId']}")
    sent = render_attachment(letter, letter.sender, publication_time(letter, story.environment.now()))
    same = pdf.status_code == 200 and hashlib.sha256(pdf.content).digest() == hashlib.sha256(sent).digest()
    check_step(condition=same, expected="de PDF zoals verstuurd", got=f"{pdf.status_code}, {len(pdf.content)} bytes")
    saved = pdf.headers.get("content-disposition", "").startswith("attachment")
    check_step(condition=saved, expected="de PDF als download", got=pdf.headers.get("content-disposition"))
    story.tell_event(f"hij haalt {enclosed['naam']} op", "berichtenbox/download.py")


async def _try_letters_outside_scope(story: StoryProgress, app: ReadingApp) -> None:
    nothing = normalise_response(await app.get_resource(f"/berichten/{story.unknown_bericht_id}"))
    check_step(condition=nothing[0] == 404, expected="404 voor een brief die niet bestaat", got=nothing[0])
    titles: set[str] = set()
    for letter in story.select_letters(inside=False):
        if letter.refusal_reason is None or letter.refusal_reason in titles:
            continue
        titles.add(letter.refusal_reason)
        answer = normalise_response(await app.get_resource(f"/berichten/{story.bericht_ids[letter.reference]}"))
        same = answer == nothing
        check_step(
            condition=same, expected="hetzelfde antwoord als voor een brief die niet bestaat", got=(answer, nothing)
        )
        story.refusal_reasons.append(letter.refusal_reason)
    check_step(condition=len(titles) == 3, expected="drie soorten weigering", got=titles)
    story.tell_event("drie brieven buiten de afspraak lijken voor hem niet te bestaan", "access/guard.py")


async def _try_to_delete_letter(story: StoryProgress, app: ReadingApp, her: PortalUser) -> None:
    letter = story.select_letters(inside=True)[0]
    response = await app.delete_resource(f"/berichten/{story.bericht_ids[letter.reference]}")
    check_step(condition=response.status_code == 403, expected="403 op weggooien", got=response.status_code)
    code = response.json().get("code")
    check_step(condition=code == "handeling_niet_toegestaan", expected="de reden, openlijk", got=code)
    story.refusal_reasons.append(code)
    story.tell_event("weggooien wordt openlijk geweigerd: dat mag niet met deze machtiging", "access/guard.py")
    after = await her.find_unread(set(story.bericht_ids.values()))
    check_step(condition=after == story.unread, expected="haar ongelezen brieven zijn nog ongelezen", got=len(after))
    story.tell_event("voor haar is elke brief nog ongelezen", "berichtenbox/reader.py")


async def _check_overview(story: StoryProgress, her: PortalUser, machtiging_id: str) -> None:
    overview = await her.read_overview()
    his_name, letter = PERSONAS["naaste"].name, story.select_letters(inside=True)[0]
    acts = ("lijst", "lezen", "downloaden")
    did = [labels.describe_act(f"bericht:{act}", refused=False, sender=letter.sender) for act in acts]
    read = f"{his_name} {did[1]}"
    for expected in (
        his_name,
        *did,
        read,
        APP_NAME,
        PURPOSE,
        get_sentence("history.outcome.refused"),
        *map(labels.describe_reason, story.refusal_reasons),
    ):
        check_step(condition=expected in overview, expected=f"'{expected}' in haar overzicht", got=overview[:800])
    story.tell_event(
        f"zij ziet: {his_name} {did[1]}, wanneer, en met welke machtiging", "portal/access_history/routes.py"
    )
    lines = await story.environment.load_journal(UUID(machtiging_id))
    reasons = {line.reason for line in lines if line.outcome == JournalOutcome.REFUSED}
    wanted = {*story.refusal_reasons, _UNKNOWN_LETTER_REASON}
    check_step(condition=reasons == wanted, expected=f"in het journaal: {sorted(wanted)}", got=sorted(reasons))
    story.tell_event("het journaal heeft voor elke weigering de eigen reden", "audit/journal.py")


async def _revoke_machtiging(story: StoryProgress, her: PortalUser, app: ReadingApp, machtiging_id: str) -> None:
    letter = story.select_letters(inside=True)[1]
    path = f"/berichten/{story.bericht_ids[letter.reference]}"
    still = await app.get_resource(path)
    check_step(condition=still.status_code == 200, expected="vlak ervoor leest hij nog", got=still.status_code)
    await her.revoke_machtiging(machtiging_id)
    story.tell_event("zij trekt de machtiging in", "delegation/termination.py")
    response = await app.get_resource(path)
    body = response.json()
    answer = (response.status_code, body.get("code"))
    check_step(condition=answer == (403, "machtiging_beeindigd"), expected="403 machtiging_beeindigd", got=answer)
    seconds_left = int(app.decode_claims()["exp"] - story.environment.now().timestamp())
    story.tell_event(
        f"zijn toegangsbewijs is nog {seconds_left} seconden geldig; toch: {body['detail']}", "access/guard.py"
    )


async def _verify_machtiging(
    story: StoryProgress, verifier: DemoVerifier, her: PortalUser, parties: tuple[str, str, str]
) -> datetime:
    """Let an agency ask about them; returns the instant of the answer."""
    asked_at = story.environment.now()
    answer = await verifier.ask(*parties)
    check_step(condition=answer["antwoord"] is True, expected="ja", got=answer)
    story.tell_event(
        f"{AGENCY_NAME} vraagt of hij voor haar mag lezen: ja, met een ondertekend bewijs", "verification/verify.py"
    )
    overview = await her.read_overview()
    expected = f"{AGENCY_NAME} {get_sentence('labels.journal.verificatie.gevraagd')}"
    check_step(condition=expected in overview, expected=f"'{expected}' in haar overzicht", got=overview[:800])
    story.tell_event("zij ziet dat dit is gevraagd, en het antwoord", "portal/access_history/lines.py")
    return asked_at


async def _verify_after_revocation(
    story: StoryProgress, verifier: DemoVerifier, parties: tuple[str, str, str], allowed_at: datetime
) -> None:
    answer = await verifier.ask(*parties)
    check_step(condition=answer["antwoord"] is False, expected="nee", got=answer)
    earlier = await verifier.ask(*parties, as_of=allowed_at)
    check_step(condition=earlier["antwoord"] is True, expected="ja, toen", got=earlier)
    story.tell_event(
        f"{AGENCY_NAME} vraagt het weer: nee; en over daarnet: toen nog ja", "delegation/authority/history.py"
    )


async def _verify_journal(story: StoryProgress) -> None:
    report = await story.environment.seal_and_verify_journal()
    check_step(condition=report.ok, expected="een gaaf journaal", got=[problem.text for problem in report.problems][:3])
    story.tell_event(
        f"het journaal klopt: {report.lines} regels genummerd, geketend en ondertekend", "audit/verification.py"
    )
