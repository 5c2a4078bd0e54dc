"""API clients generated from our OpenAPI document list, read, download and deliver."""

import asyncio
import base64
import json
import shutil
import subprocess

import httpx
import pytest

from machtiging.delegation.rules import Act
from machtiging.kernel.clock import SystemClock
from machtiging.web.openapi import DOCUMENT_PATH
from tests.builders.letters import make_bericht, make_pdf
from tests.builders.server import make_full_application_world, serve_application
from tests.parties.npm_packages import GENERATOR, HERE, NODE, PLACE, needs_packages

pytestmark = pytest.mark.long
NOT_TOLD = ("gewijzigdOp",)


@pytest.fixture(scope="module", autouse=True)
def _require_packages():
    needs_packages()


@pytest.fixture
async def script_parameters(database, tmp_path):
    """The parameters of a client script. The service runs, and its OpenAPI document is in a file."""
    world = await make_full_application_world(database.url, SystemClock(), tmp_path)
    async with serve_application(world.app) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(trust_env=False) as nobody:
            (tmp_path / "openapi.json").write_text((await nobody.get(url + DOCUMENT_PATH)).text)
        yield {
            "url": url + "/api/v1",
            "agency": await world.issue_token(oin="00000099000000001000"),
            "citizen": await world.issue_token(world.citizen, acts=tuple(Act)),
            "bericht": make_bericht(kenmerk="K1", inhoud="Beste mevrouw"),
            "pdf": base64.b64encode(make_pdf()).decode(),
        }


def run(command, place, told=None):
    """Run a third-party program; returns its output."""
    done = subprocess.run(
        list(map(str, command)), cwd=place, input=json.dumps(told), capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


async def assert_everything_works(script_parameters, command, place):
    answer = json.loads(await asyncio.to_thread(run, command, place, script_parameters))
    assert answer["delivered"] == answer["listed"]
    assert answer["read"] == "Beste mevrouw"
    assert answer["saved"] == script_parameters["pdf"]
    assert {key: value for key, value in answer["marks"].items() if key not in NOT_TOLD} == {
        "gelezen": True,
        "map": "Belasting",
    }
    assert answer["refused"] == "bericht_onbekend"


async def test_client_generated_by_openapi_python_client_works(script_parameters, tmp_path):
    made = [GENERATOR / "openapi-python-client", "generate", "--path", "openapi.json", "--meta", "none"]
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    said = run([*made, "--output-path", "berichtenbox_client", "--config", "config.yaml"], tmp_path)
    assert "WARNING" not in said.upper()
    shutil.copy(HERE / "generator" / "use_client.py", tmp_path)
    await assert_everything_works(script_parameters, [GENERATOR / "python", "use_client.py"], tmp_path)


async def test_client_generated_by_openapi_typescript_type_checks_and_works(script_parameters, tmp_path):
    (tmp_path / "node_modules").symlink_to(PLACE / "node_modules")
    shutil.copy(HERE / "openapi_typescript.ts", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    tools = PLACE / "node_modules"
    run([NODE, tools / "openapi-typescript" / "bin" / "cli.js", "openapi.json", "-o", "api.ts"], tmp_path)
    options = {"noEmit": True, "strict": True, "skipLibCheck": True, "types": [], "allowImportingTsExtensions": True}
    options |= {"module": "nodenext", "target": "es2022", "lib": ["es2022", "dom"]}
    config = {"compilerOptions": options, "files": ["openapi_typescript.ts", "node.d.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    (tmp_path / "node.d.ts").write_text(
        'declare module "node:fs" { export function readFileSync(file: number, encoding: "utf8"): string }\n'
        "declare const Buffer: { from(data: string | ArrayBuffer, encoding?: string): "
        "Uint8Array<ArrayBuffer> & { toString(encoding: string): string } };\n"
    )
    run([NODE, tools / "typescript" / "bin" / "tsc"], tmp_path)
    await assert_everything_works(script_parameters, [NODE, "openapi_typescript.ts"], tmp_path)
