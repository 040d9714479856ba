#!/usr/bin/env python3
"""Open the webui's page behind an `ssh -L` line in headless Chromium, type a prompt, press Generate, see the picture.

Needs Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "default"))
from draw import forwarded

DRAWN = """
const picture = document.querySelector("#txt2img_gallery img");
return picture && picture.complete ? picture.naturalWidth : 0;
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forward", required=True, help="the ssh -L command")
    parser.add_argument("--screenshot", required=True, type=Path, help="where to keep what was seen at the end")
    arguments = parser.parse_args()
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(flag)
    with forwarded(arguments.forward) as port, Chrome(options, ChromeService("/usr/bin/chromedriver")) as browser:
        browser.get(f"http://127.0.0.1:{port}/")
        wait = WebDriverWait(browser, 240)
        try:
            prompt = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "#txt2img_prompt textarea"))
            prompt.send_keys("a room full of old boards, still useful")
            browser.find_element(By.ID, "txt2img_generate").click()
            width = wait.until(lambda page: page.execute_script(DRAWN))
        finally:
            browser.save_screenshot(str(arguments.screenshot))
        print(f"{browser.title}: a picture {width} pixels wide")
    return 0


if __name__ == "__main__":
    sys.exit(main())
