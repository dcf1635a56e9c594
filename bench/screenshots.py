"""Pictures for the documentation: `python -m bench.screenshots [panel|report] [--out docs/images]`.

Rendered clips (`avassist demo`) are looked at by the bundles that ship; the review window is drawn without a
display, in light and in dark, and the report as a browser shows it. Captions are shown where their extractors
have been fetched.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE = (1280, 860)
PAGE = (1000, 900)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.screenshots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("docs/images"), metavar="DIR")
    parser.add_argument("which", nargs="?", choices=("panel", "report"), help="only those")
    asked = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")  # containers have none; the page is our own
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AVASSIST_CACHE"] = str(Path(folder, "cache"))
        if asked.which != "panel":
            draw_report(Path(folder), asked.out)
        if asked.which != "report":
            draw(Path(folder), asked.out)
    return 0


def draw_report(folder: Path, out: Path) -> None:
    """The table of the demo's report, and one clip of it, as a browser shows them."""
    from PySide6.QtCore import QUrl
    from PySide6.QtWebEngineWidgets import QWebEngineView  # it has to be loaded before the application
    from PySide6.QtWidgets import QApplication

    cut, report = demo_in(folder), folder / "report.html"
    command = [sys.executable, "-m", "otio_avassist", "sync", str(cut), "--report", str(report)]
    subprocess.run([*command, "-o", str(cut.with_name("mended.otio")), "-q"], check=True)
    app = QApplication.instance() or QApplication([])
    page = QWebEngineView()
    page.resize(*PAGE)
    page.show()
    told: list[Any] = []
    page.loadFinished.connect(told.append)
    page.load(QUrl.fromLocalFile(str(report)))

    def wait(for_: Callable[[], Any], most_s: float) -> None:
        began = time.monotonic()
        while not for_() and time.monotonic() - began < most_s:
            app.processEvents()
            time.sleep(0.01)

    def shoot(name: str, show: str, height: int) -> None:
        page.resize(PAGE[0], height)
        page.page().runJavaScript(show)
        wait(lambda: False, 3)
        path = out / f"{name}.png"
        page.grab().save(str(path))
        print(f"{path}: {path.stat().st_size // 1024} kB")

    wait(lambda: told, 60)
    plain = "document.querySelector('header .soft').remove(); document.body.style.overflow = 'hidden';"
    shoot("report", plain, 600)  # without the folders of the machine that draws
    shoot("report-clip", "document.getElementById('shot-2').scrollIntoView();", 900)
    page.close()


def demo_in(folder: Path) -> Path:
    """The demo's timeline, rendered where it isn't there yet."""
    from otio_avassist import demo

    cut = folder / "demo" / "demo.otio"
    return cut if cut.is_file() else demo.make_demo(folder / "demo", print)


def draw(folder: Path, out: Path) -> None:
    from PySide6.QtWidgets import QApplication

    from otio_avassist import bundles, pipeline, wanted
    from otio_avassist.errors import BundleError
    from otio_avassist.panel import theme
    from otio_avassist.panel.session import Session
    from otio_avassist.panel.window import Window
    from otio_avassist.tasks import foley

    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    app.setStyle("Fusion")
    cut = demo_in(folder)

    def wait(for_: Callable[[], Any], most_s: float = 300) -> None:
        began = time.monotonic()
        while not for_() and time.monotonic() - began < most_s:
            app.processEvents()
            time.sleep(0.01)

    def window(settings: pipeline.Settings, *, dark: bool) -> Window:
        app.setPalette(theme.dark_palette() if dark else theme.light_palette())
        shown = Window(settings)
        shown.sound_words.hide()
        shown.resize(*SIZE)
        shown.show()
        shown.open(Session(str(cut), settings))
        wait(lambda: shown.look is None)
        shown.missing_bar.hide()  # it names folders of the machine that draws
        return shown

    def shoot(shown: Window, name: str, select: Callable[[Any], bool]) -> None:
        entry = next((each for each in shown.session.entries.values() if select(each)), None)
        if entry is None:
            print(f"{name}: nothing of the kind was found")
            return
        shown.list.select(entry.id)
        wait(lambda: shown.close_up is not None, 30)
        wait(lambda: False, 2)  # overviews
        shown.player.seek(0.4 * shown.close_up.duration_s)
        wait(lambda: False, 0.2)
        path = out / f"panel-{name}.png"
        shown.grab().save(str(path))
        print(f"{path}: {path.stat().st_size // 1024} kB")

    base: dict[str, Any] = {"base_dir": cut.parent, "output_dir": cut.parent}
    tasks = ("sync",)
    try:
        bundles.open_bundle(bundles.find("captions"))
        tasks = ("sync", "captions")
    except BundleError as error:
        print(f"without captions: {error}")
    shown = window(pipeline.Settings(tasks=tasks, **base), dark=False)
    shoot(shown, "sync", lambda each: each.task == "sync" and "forge" in each.address.clip)
    shown.decide("accepted")
    if "captions" in tasks:
        app.setPalette(theme.dark_palette())
        shoot(shown, "captions", lambda each: each.task == "captions")
    shown.session.forget()
    shown.close()
    made = foley.Options(folder=folder / "sounds", sound="dog", takes=3, check_sync=False)
    wish = wanted.Wish(which="all", clips=("fog.mp4",))
    cut.with_suffix(".avassist-review.json").unlink(missing_ok=True)
    shown = window(pipeline.Settings(tasks=("foley",), foley=made, wish=wish, **base), dark=False)
    shoot(shown, "foley", lambda each: bool(each.take))
    shown.close()


if __name__ == "__main__":
    raise SystemExit(main())
