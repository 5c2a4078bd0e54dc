"""Make a key for one of the clients in this folder, and the file to register it with.

    python make_client.py agency

reads `agency.json` beside this program, and writes `agency.key.json` (the private key) and `agency.json` (for
`machtiging clients add`) to `.cache/guide`. With the same name again it uses the key that is there.
"""

import json
import sys
from pathlib import Path

from client import FOLDER
from joserfc.jwk import ECKey

name = sys.argv[1]
FOLDER.mkdir(parents=True, exist_ok=True)
key_file = FOLDER / f"{name}.key.json"
if key_file.exists():
    key = ECKey.import_key(json.loads(key_file.read_text()))
else:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True)
    key_file.touch(mode=0o600)
    key_file.write_text(json.dumps(key.as_dict(private=True)))
metadata = json.loads((Path(__file__).parent / f"{name}.json").read_text())
metadata["jwks"] = {"keys": [key.as_dict(private=False)]}
(FOLDER / f"{name}.json").write_text(json.dumps(metadata, indent=2))
print(f"{FOLDER / name}.json is ready to register.")
