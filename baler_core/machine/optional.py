"""Import packages that an extra of baler-core installs, or report how to install them."""

from __future__ import annotations

from importlib import import_module

from baler_core.errors import MissingPackage

EXTRAS = {
    "torch": "networks",
    "matplotlib": "report",
    "jinja2": "report",
    "fsspec": "remote",
    "pyarrow": "frames",
    "polars": "frames",
    "distributed": "cluster",
    "onnx": "onnx",
}
"""The extra of `baler-core` that brings a package."""


def need(what: str, *packages: str) -> None:
    """Import the packages of one extra, or raise a sentence that names it.

    Looking for a package without importing it would take a damaged one for a working one.

    Parameters
    ----------
    what
        Which work needs them, in the singular: ``the model 'dense_autoencoder'``.

    Raises
    ------
    MissingPackage
        If one of them is not installed, or cannot be imported.
    """
    advice = f"pip install 'baler-core[{EXTRAS[packages[0]]}]'"
    absent = []
    for package in packages:
        try:
            import_module(package)
        # Libraries in another language that a package brings, such as those of CUDA, fail with an OSError.
        except (ImportError, OSError) as error:
            if not (isinstance(error, ModuleNotFoundError) and error.name == package):
                reason = " ".join(str(error).split())
                raise MissingPackage(
                    f"{what} needs {package}, which cannot be imported ({reason}). Install it anew: {advice}"
                ) from error
            absent.append(package)
    if absent:
        are = "is" if len(absent) == 1 else "are"
        raise MissingPackage(f"{what} needs {' and '.join(absent)}, which {are} not installed: {advice}")
