"""Letters of two years for the practice world, as data. All people, numbers and amounts are invented."""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.cli.demo.letters import DemoLetter, TableRow

_DAYS_OF_YEAR = 365


@dataclass(frozen=True, slots=True)
class _Kind:
    """A letter that comes again and again."""

    key: str
    sender: str
    dienst: str
    every_days: int
    onderwerp: str
    text: str
    heading: str
    rows: tuple[TableRow, ...]


_KINDS = (
    _Kind(
        "huurtoeslag",
        "Dienst Toeslagen",
        "huurtoeslag",
        120,
        "Uw huurtoeslag",
        "U krijgt huurtoeslag. Elke maand betalen wij 214 euro op uw rekening. Verandert uw huur of uw inkomen? "
        "Geef dat dan door. Zo voorkomt u dat u later moet terugbetalen.",
        "Berekening van uw huurtoeslag",
        (("Huur per maand", "€ 612,00"), ("Inkomen per jaar", "€ 21.300"), ("Huurtoeslag per maand", "€ 214,00")),
    ),
    _Kind(
        "zorgtoeslag",
        "Dienst Toeslagen",
        "zorgtoeslag",
        180,
        "Voorschot zorgtoeslag",
        "U krijgt een voorschot zorgtoeslag van 123 euro per maand. U hoeft niets te doen.",
        "Voorschot zorgtoeslag",
        (("Per maand", "€ 123,00"), ("Per jaar", "€ 1.476,00")),
    ),
    _Kind(
        "waterschap",
        "Waterschap Voorbeeldland",
        "waterschapsbelasting",
        _DAYS_OF_YEAR,
        "Aanslag waterschapsbelasting",
        "Dit is uw aanslag waterschapsbelasting van 298 euro. U betaalt in één keer of in tien delen. Lukt betalen "
        "niet? Vraag dan binnen drie maanden kwijtschelding.",
        "Aanslag waterschapsbelasting",
        (("Zuivering", "€ 176,00"), ("Watersysteem", "€ 122,00"), ("Totaal", "€ 298,00")),
    ),
    _Kind(
        "pensioen",
        "Pensioenfonds Voorbeeld",
        "pensioenoverzicht",
        _DAYS_OF_YEAR,
        "Uw pensioenoverzicht",
        "Eén keer per jaar sturen wij u een overzicht. In de bijlage staat hoeveel pensioen u krijgt.",
        "Pensioenoverzicht",
        (("Pensioen per maand", "€ 418,20"), ("Uitbetaling", "elke 23e van de maand")),
    ),
    _Kind(
        "rijbewijs",
        "RDW",
        "rijbewijs",
        700,
        "Verleng uw rijbewijs op tijd",
        "Uw rijbewijs verloopt over vijf maanden. Vraag een nieuw rijbewijs aan bij uw gemeente.",
        "Rijbewijs verlengen",
        (("Waar", "bij uw gemeente"), ("Kosten", "€ 52,10"), ("Meenemen", "pasfoto en oud rijbewijs")),
    ),
    _Kind(
        "boete",
        "Centraal Justitieel Incassobureau",
        "verkeersboete",
        500,
        "Verkeersboete",
        "U reed 9 kilometer per uur te hard. U betaalt 105 euro, binnen acht weken. Bent u het er niet mee eens? "
        "Ga dan binnen zes weken in beroep bij de officier van justitie.",
        "Verkeersboete",
        (("Overtreding", "snelheid, binnen de bebouwde kom"), ("Bedrag", "€ 105,00"), ("Betalen binnen", "8 weken")),
    ),
    _Kind(
        "zorg",
        "CAK",
        "eigen-bijdrage-wmo",
        60,
        "Rekening eigen bijdrage Wmo",
        "Voor uw hulp in huis betaalt u een eigen bijdrage. Deze maand is dat 21,80 euro.",
        "Rekening eigen bijdrage",
        (("Maandbedrag", "€ 21,80"), ("Betalen", "automatisch")),
    ),
)


def build_letters_of_two_years(greeting: str, person_key: str, *, kinds: int = len(_KINDS)) -> list[DemoLetter]:
    """Return the letters of two years for one person, of the first `kinds` kinds. The key makes them differ."""
    return [
        _build_letter(kind, number, greeting, person_key)
        for kind in _KINDS[:kinds]
        for number in range(max(1, 2 * _DAYS_OF_YEAR // kind.every_days))
    ]


def _build_letter(kind: _Kind, number: int, greeting: str, person_key: str) -> DemoLetter:
    return DemoLetter(
        reference=f"{kind.key}-{number}-{person_key}",
        sender=kind.sender,
        dienst=kind.dienst,
        days_ago=5 + number * kind.every_days + sum((kind.key + person_key).encode()) % 45,
        onderwerp=kind.onderwerp,
        inhoud=f"{greeting},\n\n{kind.text}\n\nMet vriendelijke groet,\n{kind.sender}",
        file_name=f"{kind.key}.pdf",
        heading=kind.heading,
        rows=kind.rows,
    )
