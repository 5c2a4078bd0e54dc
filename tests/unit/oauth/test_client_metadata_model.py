"""The model of client metadata. Exact types, one text for each wrong member, and a fixed order of texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from machtiging.message_catalogue import find_sentence
from machtiging.oauth.clients.metadata import MEMBERS, ClientMetadata, find_metadata_errors
from tests.builders.client import make_app_metadata, make_client_keys

PAIR = make_client_keys()
WHOLE = make_app_metadata(PAIR)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
VALUES = JSON | st.sampled_from(
    ["private_key_jwt", "none", "ES256", "poll", ["authorization_code"], ["client_credentials"], [WHOLE["client_name"]]]
)


@given(
    changes=st.dictionaries(st.sampled_from(sorted(MEMBERS)) | st.text(max_size=8), VALUES, max_size=4),
    missing=st.sets(st.sampled_from(sorted(WHOLE)), max_size=2),
    practice=st.booleans(),
)
def test_any_client_metadata_is_kept_exactly_or_has_an_error_per_member(changes, missing, practice):
    submitted = {name: value for name, value in {**WHOLE, **changes}.items() if name not in missing}
    errors = find_metadata_errors(submitted, practice=practice, detail_type="berichtenbox")
    assert all(find_sentence(message).endswith(".") for message in errors.values())
    assert submitted.keys() - MEMBERS <= errors.keys()
    if not errors:
        model = ClientMetadata.model_validate(submitted, context={"practice": practice, "detail_type": "berichtenbox"})
        assert model.model_dump(exclude_unset=True) == submitted


def test_errors_of_unknown_members_and_choices_come_first_in_fixed_order() -> None:
    wrong = {
        "resource_server": 1,
        "contacts": "ik@voorbeeld.example",
        "jwks": PAIR.jwks,
        "jwks_uri": "https://app.voorbeeld.example/jwks",
        "zz_onbekend": 1,
        "a_onbekend": 1,
        "client_name": 7,
        "token_endpoint_auth_method": "private_key_jwt",
        "subject_layout": "andersom",
        "dpop_bound_access_tokens": "true",
    }
    errors = find_metadata_errors(wrong, practice=False, detail_type="berichtenbox")
    assert [(name, find_sentence(message)) for name, message in errors.items()] == [
        ("a_onbekend", "Dit gegeven kennen wij niet."),
        ("zz_onbekend", "Dit gegeven kennen wij niet."),
        ("dpop_bound_access_tokens", "Kies uit: True, False."),
        ("subject_layout", "Alleen wie een resource heeft kiest een subject_layout."),
        ("resource_server", "Kies uit: True, False."),
        ("client_name", "Een naam heeft 2 tot 80 tekens."),
        (
            "grant_types",
            "Kies er precies een: authorization_code (eventueel met refresh_token), client_credentials, "
            "urn:ietf:params:oauth:grant-type:token-exchange of urn:openid:params:grant-type:ciba.",
        ),
        ("redirect_uris", "Geef 1 tot 10 redirect_uris."),
        ("contacts", "Hier horen hoogstens 10 e-mailadressen."),
        ("jwks_uri", "Geef jwks of jwks_uri, niet allebei."),
    ]


@pytest.mark.parametrize("change", [{"onbekend": 1}, {"resource_server": 1}, {"grant_types": ("authorization_code",)}])
def test_client_metadata_model_by_itself_rejects_unknown_members_and_inexact_types(change) -> None:
    with pytest.raises(ValidationError):
        ClientMetadata.model_validate(WHOLE | change, context={"practice": False, "detail_type": "berichtenbox"})
