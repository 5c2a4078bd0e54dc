"""The mail catcher receives mail over SMTP and sends none on."""

import re
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest
from aiosmtpd.smtp import Envelope

from machtiging.kernel.errors import Fault
from machtiging.simulators.app import create_simulator
from machtiging.simulators.mail_catcher import MAX_EMAILS, MailCatcher
from tests.builders.people import BROKER, make_practice_settings


@pytest.fixture
async def simulator(clock):
    app = create_simulator(make_practice_settings(), clock=clock)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def catcher_client(simulator):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(simulator), base_url=BROKER) as client:
        yield client


def make_mail(subject="Uw machtiging", body="Beste mevrouw,\n\nUw zoon leest nu mee. Café €5.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Machtigen <niet-antwoorden@machtigen.example>", "riet@post.example"
    message["Subject"] = subject
    message.set_content(body)
    return message


async def send(simulator, *messages) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.state.services.postbus.port) as smtp:
        for message in messages:
            await smtp.send_message(message)


async def test_mail_is_caught_with_its_characters(simulator, catcher_client, clock):
    await send(simulator, make_mail("Machtiging beëindigd"))
    (caught,) = (await catcher_client.get("/post.json")).json()
    assert (caught["aan"], caught["onderwerp"]) == (["riet@post.example"], "Machtiging beëindigd")
    assert "Café €5." in caught["tekst"]


async def test_mail_page_shows_the_newest_first(simulator, catcher_client):
    assert "Er is nog niets verstuurd" in (await catcher_client.get("/post")).text
    await send(simulator, make_mail("De eerste"), make_mail("De tweede"))
    page = (await catcher_client.get("/post")).text
    assert "OEFENOMGEVING" in page
    assert page.index("De tweede") < page.index("De eerste")


async def test_mail_content_is_escaped(simulator, catcher_client):
    await send(simulator, make_mail("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"))
    page = (await catcher_client.get("/post")).text
    assert re.findall(r'<script(?! src="/static/)', page) == []
    assert "<img" not in page
    assert "&lt;script&gt;" in page


async def test_mail_oldest_is_dropped_over_the_limit(clock):
    box = MailCatcher(0, clock)
    await box.start_listening()
    try:
        for number in range(MAX_EMAILS):  # as the SMTP server passes them
            envelope = Envelope()
            envelope.content = f"Subject: Nummer {number}\r\n\r\n".encode()
            await box.handle_DATA(None, None, envelope)
        assert (len(box.mails), box.mails[0].subject) == (MAX_EMAILS, "Nummer 0")
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=box.port) as smtp:
            for number in (MAX_EMAILS, MAX_EMAILS + 1):
                await smtp.send_message(make_mail(f"Nummer {number}"))
    finally:
        await box.stop_listening()
    assert len(box.mails) == MAX_EMAILS
    assert box.mails[0].subject == "Nummer 2"
    assert box.mails[-1].subject == f"Nummer {MAX_EMAILS + 1}"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"geen kop, alleen tekst",
        b"Subject: =?utf-8?q?kapot\r\n\r\nx",
        b"Content-Type: text/plain; charset=onbekend\r\n\r\n\xff\xfe",
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Content-Type: multipart/mixed\r\n\r\nx",
        b"Content-Type: application/pdf\r\n\r\n%PDF",
    ],
)
async def test_mail_malformed_is_caught(simulator, catcher_client, raw):
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=simulator.state.services.postbus.port) as smtp:
        await smtp.sendmail("a@post.example", ["b@post.example"], raw)
    assert len(simulator.state.services.postbus.mails) == 1
    assert (await catcher_client.get("/post")).status_code == 200


async def test_mail_catcher_listens_on_loopback_only(simulator):
    (socket,) = simulator.state.services.postbus._server.sockets
    assert socket.getsockname()[0] == "127.0.0.1"


async def test_mail_catcher_on_a_port_in_use_fails_at_start(simulator, clock):
    with pytest.raises(Fault, match="postbus_start_niet"):
        await MailCatcher(simulator.state.services.postbus.port, clock).start_listening()


async def test_mail_catcher_with_external_mail_server_is_not_started(clock):
    app = create_simulator(make_practice_settings(smtp_host="mail.example"), clock=clock)
    async with app.router.lifespan_context(app):
        assert app.state.services.postbus._server is None
