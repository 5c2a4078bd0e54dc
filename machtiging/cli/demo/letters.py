"""The ten letters of the demo, as data. All people, places, numbers and amounts are invented.

`refusal_reason` is `None` for a letter inside the scope of the machtiging. For the others it is the reason code that
the journal gives when the helper asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.agencies.rules import Theme
from machtiging.kernel.clock import add_years

TableRow = tuple[str, str]

GEMEENTE = "Gemeente Voorbeeldstad"
BELASTINGDIENST = "Belastingdienst"
SOCIALE_VERZEKERINGSBANK = "Sociale Verzekeringsbank"

# The senders that the machtiging of the story covers.
CHOSEN_SENDERS = (GEMEENTE, BELASTINGDIENST)
# The themes that it leaves out.
HIDDEN_THEME = Theme.ZORG


def first_day_of_letters(today: date) -> date:
    """Return the first day of the letters that the machtiging of the story covers."""
    return add_years(today, -1)


@dataclass(frozen=True, slots=True)
class DemoLetter:
    """One letter: sender, dienst, age in days, text, and the content of its PDF."""

    reference: str
    sender: str
    dienst: str
    days_ago: int
    onderwerp: str
    inhoud: str
    file_name: str
    heading: str
    rows: tuple[TableRow, ...]
    refusal_reason: str | None = None

    @property
    def sender_oin(self) -> str:
        """The OIN of the sender."""
        return find_catalogue_oin(self.sender)


LETTERS = (
    DemoLetter(
        reference="woz-beschikking",
        sender=GEMEENTE,
        dienst="gemeentelijke-belastingen",
        days_ago=3,
        onderwerp="Aanslag gemeentelijke belastingen",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "Dit is uw aanslag gemeentelijke belastingen. U betaalt dit jaar 612,40 euro. "
            "In de bijlage staat hoe dit bedrag is opgebouwd.\n\n"
            "U kunt het bedrag in een keer betalen of in tien termijnen. Betaalt u automatisch? "
            "Dan hoeft u niets te doen.\n\n"
            "Bent u het niet eens met de aanslag of met de waarde van uw woning? Maak dan bezwaar "
            "binnen 6 weken na de datum van deze brief.\n\n"
            "Met vriendelijke groet,\nGemeente Voorbeeldstad, team Belastingen"
        ),
        file_name="aanslag-gemeentelijke-belastingen.pdf",
        heading="Aanslagbiljet gemeentelijke belastingen",
        rows=(
            ("Waarde van uw woning (WOZ)", "€ 231.000"),
            ("Onroerendezaakbelasting eigenaar", "€ 214,80"),
            ("Rioolheffing", "€ 152,10"),
            ("Afvalstoffenheffing (1 persoon)", "€ 245,50"),
            ("Totaal", "€ 612,40"),
        ),
    ),
    DemoLetter(
        reference="identiteitskaart-verloopt",
        sender=GEMEENTE,
        dienst="paspoort",
        days_ago=12,
        onderwerp="Uw identiteitskaart verloopt binnenkort",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "Uw identiteitskaart is nog 10 weken geldig. Wilt u een nieuwe? Maak dan op tijd een afspraak "
            "bij het stadhuis. Neem een pasfoto en uw oude kaart mee.\n\n"
            "Kunt u niet zelf naar het stadhuis komen? Dan komen wij naar u toe. Bel ons om dit te regelen.\n\n"
            "Met vriendelijke groet,\nGemeente Voorbeeldstad, Burgerzaken"
        ),
        file_name="afspraak-identiteitskaart.pdf",
        heading="Wat neemt u mee naar de balie?",
        rows=(
            ("Pasfoto", "niet ouder dan 6 maanden"),
            ("Oude identiteitskaart", "ook als die verlopen is"),
            ("Kosten", "€ 76,20, te betalen met pin"),
            ("Klaar", "na 5 werkdagen"),
        ),
    ),
    DemoLetter(
        reference="kwijtschelding",
        sender=GEMEENTE,
        dienst="gemeentelijke-belastingen",
        days_ago=25,
        onderwerp="U kunt kwijtschelding vragen",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "Hebt u weinig inkomen en spaargeld? Dan hoeft u misschien minder gemeentelijke belastingen te betalen. "
            "Dat heet kwijtschelding. U kunt dit vragen tot 3 maanden na de aanslag.\n\n"
            "In de bijlage staat wat u daarvoor nodig hebt. Lukt het u niet alleen? Onze medewerkers helpen u "
            "elke dinsdagochtend in de bibliotheek.\n\n"
            "Met vriendelijke groet,\nGemeente Voorbeeldstad, team Belastingen"
        ),
        file_name="kwijtschelding-vragen.pdf",
        heading="Wat hebt u nodig om kwijtschelding te vragen?",
        rows=(
            ("Inkomen", "laatste 3 betalingen van AOW en pensioen"),
            ("Spaargeld", "saldo van al uw rekeningen"),
            ("Woning", "hypotheek of huur per maand"),
            ("Zorgverzekering", "premie per maand"),
        ),
    ),
    DemoLetter(
        reference="voorlopige-aanslag",
        sender=BELASTINGDIENST,
        dienst="voorlopige-aanslag",
        days_ago=6,
        onderwerp="Voorlopige aanslag inkomstenbelasting",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "U krijgt dit jaar geld terug van de Belastingdienst. Dat komt door uw zorgkosten en uw giften. "
            "U krijgt 348 euro. Wij betalen dit in twaalf delen uit, elke maand 29 euro.\n\n"
            "Verandert er iets in uw inkomen? Geef dat dan door. Zo voorkomt u dat u later moet terugbetalen.\n\n"
            "Met vriendelijke groet,\nBelastingdienst"
        ),
        file_name="voorlopige-aanslag.pdf",
        heading="Berekening van uw voorlopige aanslag",
        rows=(
            ("AOW en pensioen", "€ 23.416"),
            ("Aftrek giften en zorgkosten", "€ 1.840"),
            ("Ingehouden loonheffing", "€ 2.207"),
            ("Te betalen belasting", "€ 1.859"),
            ("U krijgt terug", "€ 348"),
        ),
    ),
    DemoLetter(
        reference="uitnodiging-aangifte",
        sender=BELASTINGDIENST,
        dienst="inkomstenbelasting",
        days_ago=31,
        onderwerp="Doe voor 1 mei aangifte",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "U moet aangifte inkomstenbelasting doen. Doe dat voor 1 mei. Wij hebben al veel voor u ingevuld. "
            "Controleer of alles klopt en vul aan wat er mist.\n\n"
            "Lukt het niet voor 1 mei? Vraag dan uitstel aan. Hulp is er bij de bibliotheek en bij ons kantoor.\n\n"
            "Met vriendelijke groet,\nBelastingdienst"
        ),
        file_name="uitnodiging-aangifte.pdf",
        heading="Wat hebt u nodig voor uw aangifte?",
        rows=(
            ("Jaaropgaven", "AOW en pensioen"),
            ("Rekeningen", "saldo op 1 januari"),
            ("Zorgkosten", "die u zelf hebt betaald"),
            ("Giften", "met een bewijs van betaling"),
        ),
    ),
    DemoLetter(
        reference="motorrijtuigenbelasting",
        sender=BELASTINGDIENST,
        dienst="motorrijtuigenbelasting",
        days_ago=44,
        onderwerp="Rekening motorrijtuigenbelasting",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "Dit is de rekening voor uw auto voor drie maanden: 118 euro. U betaalt automatisch. "
            "Wij schrijven het bedrag aan het einde van de maand van uw rekening af.\n\n"
            "Hebt u de auto verkocht? Dan stopt de belasting vanzelf op de dag van verkoop.\n\n"
            "Met vriendelijke groet,\nBelastingdienst"
        ),
        file_name="rekening-motorrijtuigenbelasting.pdf",
        heading="Rekening motorrijtuigenbelasting",
        rows=(("Kenteken", "00-TST-0"), ("Tijdvak", "3 maanden"), ("Gewicht", "1.035 kg"), ("Bedrag", "€ 118")),
    ),
    DemoLetter(
        reference="aow-verhoging",
        sender=SOCIALE_VERZEKERINGSBANK,
        dienst="aow",
        days_ago=9,
        onderwerp="Uw AOW gaat omhoog",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "Vanaf volgende maand krijgt u 14,62 euro per maand meer AOW. U hoeft hiervoor niets te doen. "
            "In de bijlage ziet u uw nieuwe bedrag.\n\n"
            "Met vriendelijke groet,\nSociale Verzekeringsbank"
        ),
        file_name="specificatie-aow.pdf",
        heading="Specificatie van uw AOW",
        rows=(("AOW bruto", "€ 1.580,92"), ("Loonheffing", "€ 0,00"), ("AOW netto", "€ 1.503,45")),
        refusal_reason="afzender_niet_afgesproken",
    ),
    DemoLetter(
        reference="wmo-besluit",
        sender=GEMEENTE,
        dienst="wmo",
        days_ago=15,
        onderwerp="Besluit over hulp bij het huishouden",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "U hebt ons gevraagd om hulp bij het huishouden. U krijgt 3 uur hulp per week. Wij besluiten dit omdat "
            "u door uw heupoperatie zwaar werk in huis voorlopig niet kunt doen.\n\n"
            "Het besluit geldt een jaar. Bent u het er niet mee eens? Maak dan bezwaar binnen 6 weken.\n\n"
            "Met vriendelijke groet,\nGemeente Voorbeeldstad, team Wmo"
        ),
        file_name="besluit-wmo.pdf",
        heading="Besluit maatschappelijke ondersteuning",
        rows=(("Hulp", "huishouden"), ("Hoeveel", "3 uur per week"), ("Eigen bijdrage", "€ 21,80 per maand")),
        refusal_reason="thema_niet_afgesproken",
    ),
    DemoLetter(
        reference="aanslag-vorig-jaar",
        sender=BELASTINGDIENST,
        dienst="inkomstenbelasting",
        days_ago=400,
        onderwerp="Definitieve aanslag van vorig jaar",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "Wij hebben uw aangifte bekeken. Uw definitieve aanslag is gelijk aan uw aangifte. "
            "U hoeft niets bij te betalen en u krijgt niets terug.\n\n"
            "Met vriendelijke groet,\nBelastingdienst"
        ),
        file_name="definitieve-aanslag.pdf",
        heading="Definitieve aanslag inkomstenbelasting",
        rows=(("Volgens uw aangifte", "€ 1.902"), ("Al betaald", "€ 1.902"), ("Nog te betalen", "€ 0")),
        refusal_reason="te_oud",
    ),
    DemoLetter(
        reference="paspoort-klaar",
        sender=GEMEENTE,
        dienst="paspoort",
        days_ago=380,
        onderwerp="Uw paspoort ligt klaar",
        inhoud=(
            "Geachte mevrouw Van der Linden,\n\n"
            "Uw nieuwe paspoort ligt klaar op het stadhuis. Haal het binnen 3 maanden zelf op. "
            "Neem uw oude paspoort mee.\n\n"
            "Met vriendelijke groet,\nGemeente Voorbeeldstad, Burgerzaken"
        ),
        file_name="paspoort-ophalen.pdf",
        heading="Uw paspoort ophalen",
        rows=(("Waar", "stadhuis, balie 3"), ("Wanneer", "werkdagen van 9 tot 16 uur"), ("Meenemen", "oud paspoort")),
        refusal_reason="te_oud",
    ),
)

# The letters of the business in the practice world.
BUSINESS_LETTERS = (
    DemoLetter(
        reference="aanslag-bedrijf",
        sender=BELASTINGDIENST,
        dienst="voorlopige-aanslag",
        days_ago=6,
        onderwerp="Voorlopige aanslag van uw bedrijf",
        inhoud=(
            "Geachte heer of mevrouw,\n\n"
            "Dit is de voorlopige aanslag van Bakkerij Oefenstad. Het bedrijf betaalt 8.400 euro.\n\n"
            "U kunt het bedrag in een keer betalen of in elf termijnen."
        ),
        file_name="voorlopige-aanslag.pdf",
        heading="Voorlopige aanslag",
        rows=(("Winst", "€ 42.000"), ("Te betalen", "€ 8.400")),
    ),
    DemoLetter(
        reference="gemeente-bedrijf",
        sender=GEMEENTE,
        dienst="gemeentelijke-belastingen",
        days_ago=20,
        onderwerp="Aanslag gemeentelijke belastingen van uw bedrijf",
        inhoud=(
            "Geachte heer of mevrouw,\n\n"
            "Dit is de aanslag gemeentelijke belastingen voor uw winkel. U betaalt dit jaar 930 euro."
        ),
        file_name="aanslag-gemeente.pdf",
        heading="Aanslag gemeentelijke belastingen",
        rows=(("Onroerendezaakbelasting", "€ 610,00"), ("Reclamebelasting", "€ 320,00"), ("Totaal", "€ 930,00")),
    ),
)
