"""All routes of the portal. Fixed paths come before `/machtigingen/{id}` and `/helpers/{id}`."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from machtiging.portal import (
    acceptance,
    apps,
    former_addresses,
    language_choice,
    start,
    undelivered_notifications,
)
from machtiging.portal.access_history import routes as access_history
from machtiging.portal.business import giving as business_giving
from machtiging.portal.business import home as business_home
from machtiging.portal.business import machtigingen as business_machtigingen
from machtiging.portal.gemachtigden import (
    actions,
    detail,
    emergency,
    excluded_teams,
    extension,
    narrowing,
    notes,
    overview,
    readers,
)
from machtiging.portal.giving import routes as giving
from machtiging.portal.help_requests import decision_page, wizard
from machtiging.portal.help_requests import list_page as request_list_page
from machtiging.portal.helping import letters as helped_letters
from machtiging.portal.helping import notes as helper_notes
from machtiging.portal.helping import own_acts
from machtiging.portal.helping import people as helped_people
from machtiging.portal.helping.switcher import load_switcher
from machtiging.portal.letters import attachments, letter_page, list_page, marks_pages, redirects, sharing
from machtiging.portal.operator import (
    agency_pages,
    figures_pages,
    import_page,
    number_page,
    organisation_page,
    oversight_pages,
    policy_pages,
    record_pages,
    register_page,
)
from machtiging.portal.organisation import (
    assignment_export,
    client_page,
    clients,
    employees,
    four_eyes,
    handovers,
    invitation_acceptance,
    invitations,
    offers,
    oversight,
    stand_ins,
    tasks,
    teams,
)
from machtiging.portal.public_pages import api_pages
from machtiging.portal.public_pages import routes as public_pages
from machtiging.portal.verification import check_pages, code_pages
from machtiging.portal.work import client_page as work_client_page
from machtiging.portal.work import client_table, new_client, own_record, renewals, saved_filters, today

router = APIRouter(include_in_schema=False)
_PARTS = (
    start,
    business_home,
    business_giving,
    business_machtigingen,
    giving,
    acceptance,
    wizard,
    request_list_page,
    decision_page,
    former_addresses,
    access_history,
    apps,
    undelivered_notifications,
    language_choice,
    public_pages,
    api_pages,
    list_page,
    letter_page,
    attachments,
    marks_pages,
    sharing,
    redirects,
    overview,
    emergency,
    detail,
    notes,
    actions,
    narrowing,
    extension,
    readers,
    excluded_teams,
    code_pages,
    check_pages,
    clients,
    offers,
    client_page,
    employees,
    assignment_export,
    invitations,
    invitation_acceptance,
    handovers,
    four_eyes,
    oversight,
    stand_ins,
    tasks,
    teams,
    today,
    client_table,
    own_record,
    saved_filters,
    new_client,
    renewals,
    work_client_page,
)
# Pages whose header names the people that the visitor helps.
_WITH_NAMES = (
    access_history,
    apps,
    undelivered_notifications,
    list_page,
    letter_page,
    overview,
    emergency,
    detail,
    notes,
)
_OPERATOR = (
    register_page,
    import_page,
    organisation_page,
    number_page,
    agency_pages,
    policy_pages,
    oversight_pages,
    figures_pages,
    record_pages,
)
_HELPING = (helped_people, helped_letters, helper_notes, own_acts)
for part in (*_PARTS, *_HELPING, *_OPERATOR):
    names = [Depends(load_switcher)] if part in (*_WITH_NAMES, *_HELPING) else []
    router.include_router(part.router, dependencies=names)
