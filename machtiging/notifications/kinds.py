"""Kinds of notifications. Stored rows keep these values."""

from __future__ import annotations

from enum import StrEnum


class NotificationKind(StrEnum):
    """The event, from the viewpoint of the recipient.

    `_DOOR_U`: the recipient did it, or somebody with the recipient's login.
    """

    AANGEBODEN_DOOR_U = "machtiging_aangeboden_door_u"
    AANBOD_INGETROKKEN_DOOR_U = "aanbod_ingetrokken_door_u"
    NIEUWE_CODE_DOOR_U = "nieuwe_code_door_u"
    AANGENOMEN = "machtiging_aangenomen"
    AANGENOMEN_DOOR_U = "machtiging_aangenomen_door_u"
    GEWEIGERD = "machtiging_geweigerd"
    GEWEIGERD_DOOR_U = "machtiging_geweigerd_door_u"
    GEPAUZEERD = "machtiging_gepauzeerd"
    GEPAUZEERD_DOOR_U = "machtiging_gepauzeerd_door_u"
    HERVAT = "machtiging_hervat"
    HERVAT_DOOR_U = "machtiging_hervat_door_u"
    INGETROKKEN = "machtiging_ingetrokken"
    INGETROKKEN_DOOR_U = "machtiging_ingetrokken_door_u"
    TERUGGEGEVEN = "machtiging_teruggegeven"
    TERUGGEGEVEN_DOOR_U = "machtiging_teruggegeven_door_u"
    HULPVRAAG_GESTELD_DOOR_U = "hulpvraag_gesteld_door_u"
    HULPVRAAG_GEWEIGERD = "hulpvraag_geweigerd"
    HULPVRAAG_TOEGESTAAN = "hulpvraag_toegestaan"
    HULPVRAAG_TOEGESTAAN_DOOR_U = "hulpvraag_toegestaan_door_u"
    NOODSTOP_AANGEZET = "noodstop_aangezet"
    NOODSTOP_DOOR_U = "noodstop_door_u"
    NOODSTOP_OPGEHEVEN = "noodstop_opgeheven"
    NOODSTOP_OPGEHEVEN_DOOR_U = "noodstop_opgeheven_door_u"
    BEPERKT = "machtiging_beperkt"
    BEPERKT_DOOR_U = "machtiging_beperkt_door_u"
    LEZERS = "machtiging_lezers"
    LEZERS_DOOR_U = "machtiging_lezers_door_u"
    VERLENGD = "machtiging_verlengd"
    VERLENGD_DOOR_U = "machtiging_verlengd_door_u"
    TOEGEWEZEN = "toewijzing_gemaakt"
    TOEGEWEZEN_AAN_U = "toewijzing_gemaakt_aan_u"
    TOEWIJZING_GESTOPT = "toewijzing_gestopt"
    TOEWIJZING_INGETROKKEN_BIJ_U = "toewijzing_ingetrokken_bij_u"
    NIEMAND_LEEST = "niemand_leest"
    NIEMAND_LEEST_GEPAUZEERD = "niemand_leest_gepauzeerd"
    APP_AFGESLOTEN = "app_afgesloten"
    APP_AFGESLOTEN_BIJ_HELPER = "app_afgesloten_bij_helper"
    APP_AFGESLOTEN_VOOR_HELPER = "app_afgesloten_voor_helper"
    APP_GESTOPT_DOOR_U = "app_gestopt_door_u"
    APP_GESTOPT_DOOR_GEVER = "app_gestopt_door_gever"
    APP_GESTOPT_ORGANISATIE = "app_gestopt_organisatie"
    UITGELOGD_DOOR_ONS = "uitgelogd_door_ons"
    VERZOEK_WACHT = "verzoek_wacht"
