"""The return path after login: no open redirect to another site."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.identity.rules import safe_return_path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/machtigingen",
        "/berichten/0190?pagina=2",
        "/authorize?client_id=app&request_uri=urn%3Aietf%3Aparams%3A1",
        "/authorize?redirect_uri=https://app.example/terug",
        "/a/../b",
        "/inloggenhulp",
    ],
)
def test_return_path_on_this_site_is_kept(path):
    assert safe_return_path(path) == path


@pytest.mark.parametrize(
    "elsewhere",
    [
        None,
        "",
        "machtigingen",
        "https://kwaad.example/",
        "HTTPS://kwaad.example",
        "http:kwaad.example",
        "//kwaad.example",
        "///kwaad.example",
        "/\\kwaad.example",
        "\\\\kwaad.example",
        "\\/kwaad.example",
        "/\t/kwaad.example",
        "/\n/kwaad.example",
        "/\r/kwaad.example",
        "\t//kwaad.example",
        " //kwaad.example",
        "/ /kwaad.example",
        "/\x00/kwaad.example",
        "/\x7f/kwaad.example",
        "/.//kwaad.example",
        "/a/..//kwaad.example",
        "/pad\\..\\kwaad",
        "/／kwaad.example",
        "/。/kwaad",
        "javascript:alert(1)",
        "data:text/html,x",
        "/pad\r\nSet-Cookie: a=b",
        "?x",
        "#x",
        "@kwaad.example",
        ".kwaad.example",
        "/inloggen",
        "/inloggen?terug=/inloggen",
        "/inloggen/terug?code=x",
        "/uitloggen",
        "/" + "a" * 4000,
    ],
)
def test_open_redirect_return_path_becomes_the_start_page(elsewhere):
    assert safe_return_path(elsewhere) == "/"


@given(st.text(alphabet=st.sampled_from("/\\.:?#@%\t\n\r\x00 ah2Ff/／"), max_size=12))
def test_arbitrary_return_path_stays_on_this_site(text):
    target = urlsplit(urljoin("https://machtigen.test/inloggen/terug", safe_return_path(text)))
    assert (target.scheme, target.netloc) == ("https", "machtigen.test")
