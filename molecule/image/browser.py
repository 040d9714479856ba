#!/usr/bin/env python3
"""Open the webui's page behind an `ssh -L` line, or behind a door whose login is on stdin, in headless Chromium, type a
prompt, press Generate, see the picture.

Needs Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import socket
import ssl
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "default"))
from draw import forwarded

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip
SECONDS = 240
SMALL = {"steps": 2, "width": 128, "height": 128}  # 20 steps at 512 x 512 take minutes on two cores
# As a person's keys do: the page hears of each new value.
FILL = """
const [selector, value] = arguments;
const field = document.querySelector(selector);
field.value = value;
field.dispatchEvent(new Event("input", {bubbles: true}));
"""
# Chromium gives up what it is loading when a network interface comes or goes, as those of other containers do: then the
# button is there, but not what it calls.
LOADED = """
if (document.readyState !== "complete" || !document.querySelector("#txt2img_generate")?.offsetWidth) return "";
const standin = document.title.startsWith("Stand-in");
const needed = standin ? ["submit"] : ["submit", "requestProgress", "localSet", "setupAllResizeHandles"];
return needed.every(name => typeof window[name] === "function") ? "whole" : "broken";
"""
DRAWN = """
const picture = document.querySelector("#txt2img_gallery img");
return picture && picture.complete ? picture.naturalWidth : 0;
"""


def pin(door: SplitResult, ca: str) -> str:
    """The key of the door's certificate, which Python has verified, as Chromium takes it: it has a store of its own."""
    context = ssl.create_default_context(cafile=ca)
    where = (str(door.hostname), door.port or 443)
    with (
        socket.create_connection(where, 10) as plain,
        context.wrap_socket(plain, server_hostname=door.hostname) as secured,
    ):
        seen = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    key = seen.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def whole(page: Chrome) -> bool:
    """Whether the page is there with all it calls; a broken one is loaded again."""
    state = page.execute_script(LOADED)
    if state == "broken":
        page.refresh()
        time.sleep(5)
    return state == "whole"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--forward", help="the ssh -L command")
    way.add_argument("--door", type=urlsplit, help="the address of a gateway")
    parser.add_argument("--ca", help="file of who vouches for the door")
    parser.add_argument("--screenshot", required=True, type=Path, help="where to keep what was seen at the end")
    arguments = parser.parse_args()
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.page_load_strategy = "none"  # the page asks for fonts of the internet, which may never come
    door = arguments.door
    tunnel = nullcontext(0) if door else forwarded(arguments.forward)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, tunnel as port:
        known = [f"--ignore-certificate-errors-spki-list={pin(door, arguments.ca)}"] if door else []
        for flag in (*FLAGS, *known, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        with Chrome(options, ChromeService("/usr/bin/chromedriver")) as browser:
            wait = WebDriverWait(browser, SECONDS)
            if door:
                login = ":".join(quote(part, safe="") for part in sys.stdin.read().strip().split(":", 1))
                browser.get(f"https://{login}@{door.netloc}/internal/ping")
                wait.until(lambda page: page.execute_script("return document.body?.innerText.trim()") == "{}")
            browser.get(f"https://{door.netloc}/" if door else f"http://127.0.0.1:{port}/")
            try:
                wait.until(whole)
                prompt = browser.find_element(By.CSS_SELECTOR, "#txt2img_prompt textarea")
                prompt.send_keys("a room full of old boards, still useful")
                for name, value in SMALL.items():
                    browser.execute_script(FILL, f"#txt2img_{name} input[type=number]", value)
                browser.find_element(By.ID, "txt2img_generate").click()
                width = wait.until(lambda page: page.execute_script(DRAWN))
            finally:
                browser.save_screenshot(str(arguments.screenshot))
            print(f"{browser.title}: a picture {width} pixels wide")
    return 0 if width == SMALL["width"] else 1


if __name__ == "__main__":
    sys.exit(main())
