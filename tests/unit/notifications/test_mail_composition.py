"""Composed mail: headers, internationalised addresses and header injection."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.notifications.mailer import EmailId, Mailer, compose_email, parse_email_address
from machtiging.notifications.texts import EmailText
from tests.builders.mail import MAIL_CONTACT

MAILER = Mailer(
    "127.0.0.1", 25, starttls=False, sender="Machtigen <niet-antwoorden@machtigen.example>", contact=MAIL_CONTACT
)
SLIP = EmailId(UUID("01890000-0000-7000-8000-000000000001"), datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
TEXT = EmailText("Uw machtiging is aangenomen", "Beste lezer,\n\nÉén regel.\n")


def test_mail_has_exactly_the_expected_headers():
    mail = compose_email(MAILER, "ans@voorbeeld.example", TEXT, SLIP)
    assert {name: str(value) for name, value in mail.items()} == {
        "From": "Machtigen <niet-antwoorden@machtigen.example>",
        "To": "ans@voorbeeld.example",
        "Subject": "Uw machtiging is aangenomen",
        "Date": "Mon, 23 Nov 2026 12:00:00 +0000",
        "Message-ID": "<01890000-0000-7000-8000-000000000001@machtigen.example>",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "8bit",
        "MIME-Version": "1.0",
    }


def test_same_notification_gives_the_same_mail():
    assert (
        compose_email(MAILER, "a@b.example", TEXT, SLIP).as_bytes()
        == compose_email(MAILER, "a@b.example", TEXT, SLIP).as_bytes()
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ans",
        "@voorbeeld.example",
        "ans@",
        "ans@voorbeeld.example\r\nBcc: x@y.example",
        "ans@voorbeeld.example\n",
        "ans@voorbeeld.example, x@y.example",
        "ans@voorbeeld.example x@y.example",
        "Ans <ans@voorbeeld.example>",
        '"a\r\nb"@voorbeeld.example',
        "ans@@voorbeeld.example",
        "ans@-voorbeeld.example",
        "ans@voorbeeld.example\x00",
        "x" * 65 + "@voorbeeld.example",
        "ans@" + "x" * 300,
    ],
)
def test_invalid_mail_address_is_rejected(address):
    with pytest.raises(ValueError):
        compose_email(MAILER, address, TEXT, SLIP)


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("ans@münchen.example", "ans@xn--mnchen-3ya.example"),
        ("ans@xn--mnchen-3ya.example", "ans@xn--mnchen-3ya.example"),
        ("ans@MÜNCHEN.example", "ans@xn--mnchen-3ya.example"),
        ("ans@例え.example", "ans@xn--r8jz45g.example"),
        ("ans@faß.example", "ans@xn--fa-hia.example"),
        ("ans@voorbeeld。example", "ans@voorbeeld.example"),
        ("jörg@voorbeeld.example", "jörg@voorbeeld.example"),
        ("jörg@münchen.example", "jörg@xn--mnchen-3ya.example"),
    ],
)
def test_internationalised_domain_is_converted_to_ascii(address, mailbox):
    assert [a.addr_spec for a in compose_email(MAILER, address, TEXT, SLIP)["To"].addresses] == [mailbox]


@pytest.mark.parametrize(
    "address", ["ans@xn--ü.example", "ans@ü-.example", "ans@\u202evoorbeeld.example", "ans@voor\u200bbeeld.example"]
)
def test_invalid_internationalised_domain_is_rejected(address):
    with pytest.raises(ValueError, match="adres_ongeldig"):
        compose_email(MAILER, address, TEXT, SLIP)


@given(st.one_of(st.text(max_size=60), st.builds("{}@{}.example".format, st.text(max_size=20), st.text(max_size=20))))
def test_mail_header_injection_by_address_is_rejected(address):
    try:
        mail = compose_email(MAILER, address, TEXT, SLIP)
    except ValueError:
        return
    [recipient] = mail["To"].addresses
    assert recipient.addr_spec == "@".join(parse_email_address(address))
    assert recipient.domain.isascii()
    assert recipient.display_name == ""
    assert mail.keys() == compose_email(MAILER, "a@b.example", TEXT, SLIP).keys()


def test_mail_header_injection_by_subject_is_rejected():
    with pytest.raises(ValueError):
        compose_email(MAILER, "a@b.example", replace(TEXT, subject="Hallo\r\nBcc: x@y.example"), SLIP)
