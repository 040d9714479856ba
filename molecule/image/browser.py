#!/usr/bin/env python3
"""Open the webui's page behind an `ssh -L` line in headless Chromium, type a prompt, press Generate, see the picture.

Needs Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

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


def whole(page: Chrome) -> bool:
    """Whether the page is there with all it calls; a broken one is loaded again."""
    state = page.execute_script(LOADED)
    if state == "broken":
        page.refresh()
        time.sleep(5)
    return state == "whole"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forward", required=True, help="the ssh -L command")
    parser.add_argument("--screenshot", required=True, type=Path, help="where to keep what was seen at the end")
    arguments = parser.parse_args()
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.page_load_strategy = "none"  # the page asks for fonts of the internet, which may never come
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, forwarded(arguments.forward) as port:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        with Chrome(options, ChromeService("/usr/bin/chromedriver")) as browser:
            wait = WebDriverWait(browser, SECONDS)
            browser.get(f"http://127.0.0.1:{port}/")
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
