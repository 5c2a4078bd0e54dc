"""Database URLs: libpq parameters are translated or rejected by name, without showing the URL."""

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args
from hypothesis import given
from hypothesis import strategies as st

from machtiging.kernel.errors import Fault
from machtiging.storage.connections.database_url import parse_database_url
from machtiging.storage.engine import DatabaseRole, make_engine

SECRET = "Zq9xPiece"
VALID_URL = "postgresql://u:p@db.example/m"


def refusal(url):
    with pytest.raises(Fault) as refused:
        parse_database_url(url)
    assert refused.value.code == "database_url_ongeldig"
    return refused.value.private


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:6432/m", (("h",), (6432,), "u", "p", "m")),
        ("postgres://u@h/m", (("h",), (5432,), "u", None, "m")),
        ("postgresql+asyncpg://u:p@h/m", (("h",), (5432,), "u", "p", "m")),
        ("postgresql://u:a%40b%2Fc@h/m", (("h",), (5432,), "u", "a@b/c", "m")),
        ("postgresql://u:a/b?c#d:e@h/m", (("h",), (5432,), "u", "a/b?c#d:e", "m")),
        ("postgresql://u:p@a:1,b:2/m", (("a", "b"), (1, 2), "u", "p", "m")),
        ("postgresql://u:p@a,b/m", (("a", "b"), (5432, 5432), "u", "p", "m")),
        ("postgresql://u:p@[::1]:5433/m", (("::1",), (5433,), "u", "p", "m")),
        ("postgresql://u:@/m?host=/run/postgresql", (("/run/postgresql",), (5432,), "u", None, "m")),
        ("postgresql://u@%2Frun%2Fpostgresql/m", (("/run/postgresql",), (5432,), "u", None, "m")),
        ("postgresql:///m?host=/tmp&port=5433", (("/tmp",), (5433,), None, None, "m")),
        ("postgresql:///?host=a,b&port=1,2&user=u&password=p&dbname=m", (("a", "b"), (1, 2), "u", "p", "m")),
        ("postgresql:///m?host=a:1&host=b:2", (("a", "b"), (1, 2), None, None, "m")),
        ("postgresql://", ((), (), None, None, None)),
    ],
)
def test_database_url_is_read_as_libpq_reads_it(url, expected):
    found = parse_database_url(url)
    assert (found.hosts, found.ports, found.user, found.password, found.database) == expected


@pytest.mark.parametrize(
    "word",
    [
        "ssl=require",
        *(f"sslmode={mode}" for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")),
        "connect_timeout=5",
        "application_name=app%20x",
        "fallback_application_name=app",
        "target_session_attrs=read-write",
        "target_session_attrs=primary",
        "channel_binding=prefer",
        "gssencmode=disable",
        "sslnegotiation=postgres",
        "ssl_min_protocol_version=TLSv1.3",
        "client_encoding=utf8",
        "krbsrvname=postgres",
    ],
)
def test_supported_libpq_parameter_is_passed_to_the_driver(word, monkeypatch):
    monkeypatch.setenv("HOME", "/nonexistent")
    arguments = parse_database_url(f"{VALID_URL}?{word}").driver_arguments()
    timeout = arguments.pop("timeout")
    assert timeout == (5 if word.startswith("connect_timeout") else 10)
    nothing = dict.fromkeys(("passfile", "ssl", "service", "servicefile", "direct_tls", "server_settings",
                             "target_session_attrs", "krbsrvname", "gsslib"))  # fmt: skip
    if word not in {"sslmode=verify-ca", "sslmode=verify-full"}:  # those need a CA file
        _, read = _parse_connect_dsn_and_args(**{**nothing, **arguments})
        assert not read.server_settings  # nothing is left that would go to the server as a setting


@pytest.mark.parametrize(
    "word",
    [
        "options=-csearch_path%3Dx",
        "hostaddr=10.0.0.1",
        "service=x",
        "require_auth=scram-sha-256",
        "keepalives=1",
        "channel_binding=require",
        "gssencmode=require",
        "sslmode=sometimes",
        "sslmode=",
        "sslrootcert=/does/not/exist.pem",
        "sslrootcert=system",
        "sslkey=/does/not/exist.key",
        "target_session_attrs=standby",
        "target_session_attrs=any-thing",
        "connect_timeout=soon",
        "load_balance_hosts=random",
        "sslcompression=1",
        "requiressl=1",
        "sslnegotiation=maybe",
        "client_encoding=latin1",
    ],
)
def test_unsupported_libpq_parameter_is_rejected_by_name(word):
    name, _, value = word.partition("=")
    told = refusal(f"{VALID_URL}?{word}")
    assert name in told
    assert not value or value in {"system", "disable"} or value not in told


@pytest.mark.parametrize("port", ["0", "65536", "80000", "99999999999999999999", "-1", "5432x", "٥", "１"])
@pytest.mark.parametrize(
    "form", ["postgresql://u:p@h:{}/m", "postgresql://u:p@a:1,h:{}/m", "postgresql:///m?host=h&port={}"]
)
def test_port_out_of_range_is_rejected(form, port):
    assert "1 to 65535" in refusal(form.format(port))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@{SECRET}@h/m",
        f"postgresql://u:x@{SECRET}/{SECRET}@h/m",
        f"postgresql://u:x@{SECRET}?{SECRET}@h/m",
        f"postgresql://u:x@{SECRET}#{SECRET}@h/m",
        f"postgresql://u:x@[{SECRET}@h/m",
        f"postgresql://u:x@{SECRET}:{SECRET}@h/m",
        f"postgresql://u:x@h/m?{SECRET}={SECRET}",
        f"postgresql://u:x@h/m?{SECRET}",
        f"postgresql://u:x@h/m?a&{SECRET}=b",
        f"mysql://u:{SECRET}@h/m",
        f"{SECRET}://h/m",
        f"host=h password={SECRET}",
        f"postgresql://u:{SECRET}@h/m\n",
        f"postgresql://u:{SECRET}@h:{SECRET}/m",
        f"postgresql://u:%FF{SECRET}@h/m",
        f"postgresql://u:x@h<{SECRET}>/m",
        SECRET,
        "",
    ],
)
def test_malformed_url_is_rejected_without_showing_it(url):
    told = refusal(url)
    assert SECRET not in told
    assert "\n" not in told


@given(st.text(max_size=60), st.text(alphabet="@/?#:%[]&= ab,\\'\"\n", max_size=20))
def test_arbitrary_password_is_accepted_or_rejected_without_showing_it(text, odd):
    secret = f"{SECRET}{odd}{SECRET}"
    for url in (f"postgresql://u:{secret}@h/m", f"postgresql://u:x@h/m?{secret}", text + secret, text):
        try:
            make_engine(url, DatabaseRole.SERVICE, pool_size=1)
        except Fault as refused:
            told = str(refused)
            assert SECRET not in told


@given(st.text())
def test_parsed_url_shows_no_password(password):
    from urllib.parse import quote

    found = parse_database_url(f"postgresql://u:{quote(SECRET + password.replace(chr(0), ''), safe='')}@h/m")
    assert SECRET in (found.password or "")
    assert SECRET not in repr(found)
