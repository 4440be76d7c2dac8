"""Find profiles, files of trained models that packages bring, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from baler_core.errors import ConfigError, did_you_mean

GROUP = "baler.profiles"
SUFFIX = ".balm"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")


def installed_profiles() -> dict[str, Path]:
    """Return the files of the profiles of all installed packages, by name; what is not there is left out.

    An entry point of the group `baler.profiles` names a package, in whose folder `NAME.balm` lies. Nothing of it is
    imported.
    """
    found: dict[str, Path] = {}
    for name, folder in sorted(_folders()):
        path = folder / f"{name}{SUFFIX}"
        if name not in found and _NAME.fullmatch(name) and path.is_file():
            found[name] = path
    return found


def profile_files() -> list[Path]:
    """Return all files of trained models in the packages that bring profiles, earlier versions among them."""
    folders = dict.fromkeys(folder for _, folder in sorted(_folders()))
    return [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))]


def _folders() -> Iterator[tuple[str, Path]]:
    """Names of profiles, and the folders of the packages that bring them."""
    for entry in entry_points(group=GROUP):
        try:
            spec = find_spec(entry.module)
        except (ImportError, ValueError):
            continue
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            yield entry.name, Path(place)


def profile_file(stated: str, folder: Path, installed: Mapping[str, Path] | None = None) -> Path:
    """Return the file that `model: {profile: ...}` means: the name of an installed profile, or a path.

    Parameters
    ----------
    folder
        That a path is relative to.

    Raises
    ------
    ConfigError
        If there is none.
    """
    known = installed_profiles() if installed is None else installed
    if stated in known:
        return known[stated]
    path = folder / stated
    if stated.endswith(SUFFIX):
        if path.is_file():
            return path
        raise ConfigError(f"there is no profile at {path}")
    hint = did_you_mean(stated, list(known)) if known else "None is installed."
    raise ConfigError(
        f"no installed package brings the profile {stated!r}. {hint} Write the path of a file of trained models "
        f"({SUFFIX}) to use that"
    )
