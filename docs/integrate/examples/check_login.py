"""Log in at the service as a browser does, and say if it worked. Waits until the service answers."""

import re
import sys
import time
from urllib.parse import urljoin

import httpx

SERVICE = "http://localhost:8100"

http = httpx.Client(timeout=30)
cookies: dict[str, str] = {}
for _ in range(120):
    try:
        if http.get(SERVICE + "/health/ready").status_code == 200:
            break
    except httpx.TransportError:
        pass
    time.sleep(0.5)

url = SERVICE + "/inloggen?terug=/"
for _ in range(8):
    # Browsers send Secure cookies to localhost without TLS. This library does not, so we do it ourselves.
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items()) if url.startswith(SERVICE) else ""
    answer = http.get(url, headers={"Cookie": cookie, "Accept": "text/html"})
    for line in answer.headers.get_list("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        cookies[name] = value
    print(answer.status_code, url.partition("?")[0])
    if not answer.has_redirect_location:
        break
    url = urljoin(url, answer.headers["location"])
found = re.search(r"U bent ([^<,]+)", answer.text)
if found is None:
    sys.exit("Nobody is logged in. The log of the service has a line `login_failed` with the reason.")
print("Logged in:", found[1])
