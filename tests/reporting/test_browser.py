"""The page in a real browser: nothing overflows sideways, and there are no errors.

The page is put into a frame of the width to be tested, because a window of headless
Chromium cannot be narrower than 500 pixels. A script in the surrounding page measures
it and writes the results where `--dump-dom` shows them.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mobilebert_tf.reporting import page, read

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH"),
]

# `outside` lists elements that reach beyond the frame's right edge, except those in a scrolling box.
MEASURE = """
<!doctype html><meta charset="utf-8"><body style="margin:0"><pre id="found">nothing</pre>
<iframe id="frame" style="border:0;width:WIDTHpx;height:4000px"></iframe>
<script>
const errors = [], frame = document.getElementById("frame");
frame.onload = () => {
  const view = frame.contentWindow, page = view.document;
  view.addEventListener("error", event => errors.push(String(event.message || event.target.outerHTML)), true);
  page.querySelectorAll("details").forEach(element => { element.open = true; });
  // Asking for a rectangle lays the page out at once; waiting for a frame can wait for ever on a busy machine.
  const outside = [...page.querySelectorAll("main *, header *, footer *")].filter(element =>
    !element.closest(".table") && element.getBoundingClientRect().right > view.innerWidth + 1);
  const scale = svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  const shown = [...page.querySelectorAll("svg")].filter(svg => svg.getBoundingClientRect().width > 0);
  document.getElementById("found").textContent = JSON.stringify({
    width: view.innerWidth, scroll: page.documentElement.scrollWidth, errors,
    outside: outside.slice(0, 5).map(element => element.outerHTML.slice(0, 200)),
    tables: [...page.querySelectorAll(".table")].filter(box => box.scrollWidth > box.clientWidth + 1)
      .map(box => box.textContent.slice(0, 80)),
    charts: shown.map(svg => svg.getAttribute("class")),
    small: Math.min(...shown.flatMap(svg => [...svg.querySelectorAll("text")].map(text =>
      parseFloat(view.getComputedStyle(text).fontSize) * scale(svg)))),
  });
};
frame.srcdoc = JSON.parse(document.getElementById("page").textContent);
</script>
"""


@pytest.mark.parametrize(("width", "form"), [(1280, "wide"), (390, "narrow")])
def test_fits_and_is_quiet(finished: Path, tmp_path: Path, width: int, form: str) -> None:
    text = page.render(read.read([finished]))
    measured, log = _measure(text, width, tmp_path)
    assert measured["width"] == width
    assert measured["scroll"] <= width, measured["outside"]
    assert not measured["outside"]
    assert not measured["tables"], "a table of the demo's size needs no scrolling"
    assert set(measured["charts"]) == {form} and len(measured["charts"]) >= 7
    assert measured["small"] >= 5.5, "words in a chart, in pixels of the screen"
    assert not measured["errors"] and not log


def test_the_measurement_notices(tmp_path: Path) -> None:
    """The measurement finds a page that is too wide and a script that fails."""
    bad = (
        "<!doctype html><main><p style='width:900px'>wide</p><svg viewBox='0 0 1 1'><text>a</text></svg>"
        "<script>console.error('told'); broken()</script></main>"
    )
    measured, log = _measure(bad, 390, tmp_path)
    assert measured["scroll"] > 390 and measured["outside"]
    assert any("told" in line for line in log) and any("broken" in line for line in log)


def _measure(text: str, width: int, directory: Path) -> tuple[dict, list[str]]:
    # "</" would end the element that holds the page.
    carried = json.dumps(text).replace("</", "<\\/")
    carrier = f'<script type="application/json" id="page">{carried}</script>'
    wrapper = directory / "wrapper.html"
    wrapper.write_text(MEASURE.strip().replace("WIDTH", str(width)).replace("<script>", carrier + "\n<script>", 1))
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--enable-logging=stderr", "--hide-scrollbars",
        f"--user-data-dir={directory / 'profile'}", "--window-size=1400,1000", "--virtual-time-budget=5000",
        "--dump-dom", wrapper.as_uri(),
    ]  # fmt: skip
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    match = re.search(r'<pre id="found">(.*?)</pre>', process.stdout, re.DOTALL)
    assert match and match[1] != "nothing", process.stdout[-500:] + process.stderr[-2000:]
    console = [line for line in process.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(match[1])), console
