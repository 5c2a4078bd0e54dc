"""CSV files of organisations as programs write them, and files that cannot be used."""

import pytest

from machtiging.kernel.errors import InvalidInput
from machtiging.organisations.register_import.csv_lines import (
    MAX_FILE_BYTES,
    MAX_FILE_LINES,
    FileKind,
    read_register_file,
)
from machtiging.organisations.register_import.rules import parse_organisation_line

HEAD = "naam;soort;kvk;grond"
LINE = "Café Noord;welzijn;90000007;aanvraag"


@pytest.mark.parametrize(
    "content",
    [
        f"{HEAD}\n{LINE}\n".encode(),
        f"{HEAD}\r\n{LINE}\r\n".encode("utf-8-sig"),
        f"{HEAD}\r\n{LINE}".encode("cp1252"),
        f"{HEAD}\n{LINE}\n".replace(";", ",").encode(),
        b'NAAM; Soort ;kvk;grond\n"Caf\xc3\xa9 Noord";welzijn;90000007;aanvraag\n\n;;;\n',
    ],
)
def test_file_of_excel_or_rfc_4180_is_read(content):
    file = read_register_file(content)
    assert file.kind is FileKind.ORGANISATIONS
    [line] = file.lines
    assert (line.number, line.fault) == (2, None)
    assert line.values == {"naam": "Café Noord", "soort": "welzijn", "kvk": "90000007", "grond": "aanvraag"}
    parsed = parse_organisation_line(line)
    assert (parsed.registration.name, parsed.registration.numbers.kvk) == ("Café Noord", "90000007")


def test_number_of_a_line_counts_empty_lines_and_lines_in_quotes():
    text = f'{HEAD}\n\n"Twee\nregels";welzijn;90000007;aanvraag\n{LINE}\n'
    assert [line.number for line in read_register_file(text.encode()).lines] == [3, 5]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "bestand_leeg"),
        (b"\xef\xbb\xbf \r\n", "bestand_leeg"),
        (HEAD.encode(), "bestand_leeg"),
        (b";;;\n;;\n", "bestand_leeg"),
        (b"a;b;c\n1;2;3\n", "bestand_kop"),
        (f"{HEAD};soort\n{LINE};x\n".encode(), "bestand_kop"),
        (f"{HEAD};bsn\n{LINE};x\n".encode(), "bestand_kop"),
        (f"{HEAD}\n{LINE}\0\n".encode(), "bestand_met_nul"),
        (f"{HEAD}\n{LINE}\n".encode("utf-16"), "bestand_met_nul"),
        (b"\xef\xbb\xbf" + HEAD.encode() + b"\n\xe9\n", "bestand_codering"),
        (HEAD.encode() + b"\n\x81\n", "bestand_codering"),
        (f'{HEAD}\n"nooit dicht;welzijn;x;y\n'.encode(), "bestand_geen_csv"),
        (f"{HEAD}\n".encode() + f"{LINE}\n".encode() * (MAX_FILE_LINES + 1), "bestand_te_veel_regels"),
        (b"x" * (MAX_FILE_BYTES + 1), "bestand_te_groot"),
        (b"%PDF-1.7 x", "bestand_kop"),
    ],
)
def test_file_that_cannot_be_used_is_refused(content, code):
    with pytest.raises(InvalidInput) as refused:
        read_register_file(content)
    assert refused.value.code == code


def test_refused_file_names_the_line():
    with pytest.raises(InvalidInput) as refused:
        read_register_file(f"{HEAD}\n{LINE}\n{LINE}\0\n".encode())
    assert refused.value.message.params == {"line": 3}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", " ="])
def test_line_with_a_formula_is_refused(start):
    [line] = read_register_file(f"{HEAD}\n{start}1+1;welzijn;90000007;x\n".encode()).lines
    assert line.fault.key == "regel_met_formule"


@pytest.mark.parametrize("line", ["Noord;welzijn;90000007", f"{LINE};x", "Noord"])
def test_line_with_other_columns_is_refused(line):
    [found] = read_register_file(f"{HEAD}\n{line}\n".encode()).lines
    assert found.fault.key == "regel_kolommen"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kvk": ""}, "nummer_ontbreekt"),
        ({"kvk": "1234567"}, "kvk_ongeldig"),
        ({"kvk": "9000000x"}, "kvk_ongeldig"),
        ({"oin": "123"}, "oin_ongeldig"),
        ({"rsin": "123456789"}, "rsin_ongeldig"),
        ({"vestiging": "1"}, "vestiging_ongeldig"),
        ({"soort": "kerk"}, "organisatiesoort_onbekend"),
        ({"gevoeligheid": "geheim"}, "plafond_onbekend"),
        ({"niveau": "EH3"}, "plafond_onbekend"),
        ({"dagen": "veel"}, "plafond_duur_ongeldig"),
        ({"dagen": "9999"}, "plafond_duur_ongeldig"),
        ({"naam": ""}, "naam_ongeldig"),
        ({"naam": "x" * 201}, "naam_ongeldig"),
        ({"naam": "een\u202enaam"}, "naam_ongeldig"),
        ({"grond": ""}, "grond_ongeldig"),
    ],
)
def test_organisation_line_with_a_fault_is_refused(changes, code):
    values = {"naam": "Noord", "soort": "welzijn", "kvk": "90000007", "grond": "aanvraag"} | changes
    text = ";".join(values) + "\n" + ";".join(values.values()) + "\n"
    [line] = read_register_file(text.encode()).lines
    with pytest.raises(InvalidInput) as refused:
        parse_organisation_line(line)
    assert refused.value.code == code
