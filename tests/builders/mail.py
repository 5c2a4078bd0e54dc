"""The contact in the foot of e-mails, as tests have it."""

from dataclasses import replace

from machtiging.notifications.texts import MailContact
from machtiging.operator_content.help_contact import PRACTICE_HELP, load_help_points

MAIL_CONTACT = MailContact(
    "https://machtigen.example",
    replace(PRACTICE_HELP, points=load_help_points(None)),
)
