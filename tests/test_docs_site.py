"""The documentation as a site: built strictly, alone, and searched from a disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.skipif(find_spec("material") is None, reason="MkDocs Material is not installed"),
    pytest.mark.xdist_group("site"),
]


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--site-dir", str(folder)],
        cwd=repository,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_asks_nothing_of_other_hosts(site: Path) -> None:
    loaded = re.compile(r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+href="([^"]+)"')
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for source, sheet in loaded.findall(page.read_text()):
            assert not re.match(r"(https?:)?//", source or sheet), (page.name, source or sheet)
    assert "generated:" not in (site / "files.html").read_text()


@pytest.mark.parametrize("start", ["index.html", "measured/index.html"])
def test_words_are_found_from_a_disk_with_the_network_off(
    site: Path, browser: Any, start: str
) -> None:
    context = browser.new_context(offline=True)
    page, complaints, requests = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((site / start).as_uri())
    page.click("input.md-search__input")
    page.keyboard.type("Winograd")
    found = page.locator(".md-search-result__link")
    found.first.wait_for()
    addresses = [str(link.get_attribute("href")) for link in found.all()]
    assert any(site.as_uri() in address for address in addresses)
    found.first.click()
    # A locator waits through the change of page, when there is no article for a moment.
    page.locator("article").filter(has_text="Winograd").wait_for()
    context.close()
    assert complaints == []
    assert all(request.startswith(("file:", "about:")) for request in requests)
