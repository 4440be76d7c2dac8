"""Compile the loops of baler-core to extension modules that need no compiler to run, when the package is built.

Loops are the functions marked with `compiled` and `inlined` of `baler_core.machine.compiled`. numba compiles them here, for
the types of arguments that `loop_types.txt` lists, and the C compiler at hand links them. `loops.json` beside the modules
tells what is in them. By itself, `python compile_loops.py` compiles what has changed in a source tree.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent
TYPES = ROOT / "baler_core" / "machine" / "loop_types.txt"
FOLDER = ROOT / "baler_core" / "machine" / "loops"
LISTING = FOLDER / "loops.json"
# An extension module each, so that they are compiled side by side, and only those that have changed; the longest first.
AREAS = {
    "predictive": "baler_core.builtin.models.fields.predictive",
    "transform": "baler_core.builtin.models.fields.transform",
    "table": "baler_core.builtin.models.table",
    "entropy": "baler_core.entropy",
    "csv": "baler_core.builtin.readers.csv",
    "autoencoder": "baler_core.builtin.models.autoencoder",
    "quantise": "baler_core.quantise.exponential",
}
# Code that is not run unless BALER_LOOPS names it: with every index checked; as it is written, with no optimisation.
FOR_TESTS = ("checked", "unoptimised")
_ARRAY = re.compile(r"([a-zA-Z]\d+):(\d+)([CA])(r?)")
_CONSTANTS = {"int": 1, "float": 1.0, "bool": True, "NoneType": None}


class TypedLoop(NamedTuple):
    """A loop and the types of the arguments that it is called with."""

    module: str
    function: str
    types: tuple[str, ...]


def targets_here() -> tuple[str, ...]:
    """Name the sets of instructions to compile for, the best first; the last runs on all processors of the kind."""
    return ("x86-64-v3", "x86-64-v2") if platform.machine() in ("x86_64", "AMD64") else ("generic",)


def _name_of(area: str, target: str) -> str:
    """Name the extension module of an area for a target."""
    return f"{area}_{target.replace('-', '_')}"


def _instructions(target: str) -> str:
    """Name the set of instructions that a target's code may use; code for tests runs on all processors of this kind."""
    return targets_here()[-1] if target in FOR_TESTS else target


def read_loops(area: str) -> list[TypedLoop]:
    """Read which loops of an area Python calls, and with what types of arguments."""
    lines = [line.split() for line in TYPES.read_text().splitlines() if line and not line.startswith("#")]
    loops = [TypedLoop(module, function, tuple(types)) for module, function, *types in lines]
    return [loop for loop in loops if f"{loop.module}.".startswith(AREAS[area] + ".")]


def example(text: str) -> Any:
    """Make a value of the type that a text describes, as `compiled.describe` writes it."""
    value, rest = _example(text)
    if rest:
        raise ValueError(f"{TYPES.name}: {text!r} is no type")
    return value


def _example(text: str) -> tuple[Any, str]:
    """Make a value of the first type in a text; return it, and what follows."""
    import numpy as np

    if match := _ARRAY.match(text):
        dtype, dims, layout, frozen = match.groups()
        array = np.zeros((2,) * (int(dims) + (layout == "A")), dtype)
        array = array[..., 0] if layout == "A" else array
        array.setflags(write=not frozen)
        return array, text[match.end() :]
    if match := re.match(r"\w+(?=[,)]|$)", text):
        word = match.group()
        return _CONSTANTS[word] if word in _CONSTANTS else np.dtype(word).type(1), text[match.end() :]
    head, _, rest = text.partition("(")
    items = []
    while not rest.startswith(")"):
        item, rest = _example(rest.removeprefix(","))
        items.append(item)
    module, _, name = head.partition(":")
    kind = getattr(importlib.import_module(module), name) if head else lambda *items: items
    return kind(*items), rest[1:]


def put_numba_in(checked: bool) -> None:
    """Put functions that numba compiles in place of the loops in all modules of the package that are loaded."""
    import numba
    from numba.cpython.unsafe.tuple import tuple_setitem

    import compile_vectors
    from baler_core.entropy.lanes import add_halved, high_product, move_weights, sum_products, weighted_sum
    from baler_core.machine.compiled import INLINED, Loop, prefetch, with_item

    made: dict[int, Any] = {
        id(with_item): tuple_setitem,
        id(prefetch): compile_vectors.prefetch_code(),
        id(high_product): compile_vectors.high_product_code(),
    }
    if not checked:
        made |= {
            id(weighted_sum): compile_vectors.weighted_sum_code(),
            id(move_weights): compile_vectors.move_weights_code(),
            id(add_halved): compile_vectors.add_halved_code(),
            id(sum_products): compile_vectors.sum_products_code(),
        }
    for module in [module for name, module in sys.modules.items() if name.startswith("baler_core.")]:
        for name, value in list(vars(module).items()):
            function = value.function if isinstance(value, Loop) else value
            inline = getattr(function, INLINED, False) is True
            if (isinstance(value, Loop) or inline) and id(function) not in made:
                # Nothing but other loops calls these: wrappers for Python and C took a quarter of the time.
                wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
                options = {"nogil": True, "error_model": "numpy", "forceinline": inline, "boundscheck": checked}
                made[id(function)] = numba.njit(**options, **wrappers)(function)
            if id(function) in made:
                setattr(module, name, made[id(function)])


def compile_area(area: str, target: str) -> None:
    """Compile the loops of an area for a target to an extension module, whose functions are f0, f1, ..., and describe it.

    Raises
    ------
    RuntimeError
        If there is no C compiler that works.
    """
    import numba
    from numba.core import typing

    import compile_references

    cc, exported = _compiler(checked=target == "checked")
    loops = read_loops(area)
    for module in {loop.module for loop in loops}:
        importlib.import_module(module)
    put_numba_in(checked=target == "checked")
    compile_references.put_in_numba()
    _keep_selections()
    name = _name_of(area, target)
    extension = cc(name, source_module=sys.modules[__name__])
    extension.output_dir = str(FOLDER)
    extension.target_cpu = "" if _instructions(target) == "generic" else _instructions(target)
    for number, loop in enumerate(loops):
        function = getattr(sys.modules[loop.module], loop.function).py_func
        signature = typing.signature(None, *[numba.typeof(example(text)) for text in loop.types])
        extension._exported_functions[f"f{number}"] = exported(f"f{number}", signature, function)
    extension.compile()
    described = {"sources": sources_of(area), "codes": _codes(loops, extension.output_file)}
    (FOLDER / f"{name}.json").write_text(json.dumps(described))


def _keep_selections() -> None:
    """Have LLVM leave selections by a bit as they are: it takes bits for foreseeable, makes branches of them, and most are wrong."""
    from llvmlite import binding

    if platform.machine() in ("x86_64", "AMD64"):  # others know no such option, and LLVM ends where it meets one
        binding.set_option("", "-x86-cmov-converter=false")


def _compiler(*, checked: bool) -> tuple[Any, Any]:
    """Return numba's compiler of extension modules, and what describes a function to it."""
    from numba.core import errors
    from numba.core.compiler import Flags

    with warnings.catch_warnings():
        # It warns of an end without a date. What it makes depends on nothing of it; `pyproject.toml` pins its version.
        warnings.simplefilter("ignore", errors.NumbaPendingDeprecationWarning)
        from numba.pycc import CC, compiler

    class LoopFlags(Flags):  # type: ignore[misc]
        """The options of `put_numba_in`, for the functions that Python calls."""

        def __init__(self, copied: Flags | None = None) -> None:
            super().__init__(copied)
            if copied is None:
                self.release_gil, self.error_model, self.boundscheck = True, "numpy", checked

    compiler.Flags = LoopFlags
    return CC, compiler.ExportEntry


def _codes(loops: Iterable[TypedLoop], file: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Return the file and function of each loop's machine code, by its name and the types of its arguments."""
    codes: dict[str, dict[str, tuple[str, str]]] = {}
    for number, loop in enumerate(loops):
        codes.setdefault(f"{loop.module} {loop.function}", {})[" ".join(loop.types)] = file, f"f{number}"
    return codes


def sources_of(area: str) -> dict[str, str]:
    """Return digests of the files that loops of an area may take code and constants from: those of areas, loaded now."""
    from baler_core.machine.loop_library import digest_of

    files = [
        ROOT / Path(*name.split(".")).with_suffix(".py")
        for name in sys.modules
        if name.startswith(tuple(AREAS.values()))
    ]
    found = [file for file in sorted(files) if file.exists()]
    return {file.relative_to(ROOT).as_posix(): digest_of(file.read_bytes()) for file in found}


def up_to_date(area: str, target: str) -> bool:
    """Whether an extension module is there, and made from the sources as they are."""
    from baler_core.machine.loop_library import digest_of

    path = FOLDER / f"{_name_of(area, target)}.json"
    if not path.exists():
        return False
    described = json.loads(path.read_text())
    listed = {
        TypedLoop(*name.split(), tuple(types.split())) for name, codes in described["codes"].items() for types in codes
    }
    files = {ROOT / name: digest for name, digest in described["sources"].items()}
    modules = {FOLDER / module for codes in described["codes"].values() for module, _ in codes.values()}
    return (
        listed == set(read_loops(area))
        and all(file.exists() and digest_of(file.read_bytes()) == digest for file, digest in files.items())
        and all(module.exists() for module in modules)
    )


def compile_all(targets: tuple[str, ...], *, with_sources: bool) -> None:
    """Compile what is not up to date, each area in a process of its own, and list all that there is.

    Parameters
    ----------
    with_sources
        Whether the listing tells what the sources were, so that code of changed ones is not run: for source trees.
    """
    FOLDER.mkdir(exist_ok=True)
    wanted = [(area, target) for target in targets for area in AREAS if not up_to_date(area, target)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(lambda which: _in_own_process(*which), wanted):
            if done.returncode:
                raise RuntimeError(done.stderr.strip() or f"it ended with exit code {done.returncode}")
    listing: dict[str, Any] = {"sources": {}, "targets": {}}
    for target in (*targets_here(), *FOR_TESTS):
        if target not in targets and not all(up_to_date(area, target) for area in AREAS):
            continue
        listed = [json.loads((FOLDER / f"{_name_of(area, target)}.json").read_text()) for area in AREAS]
        listing["targets"][target] = {name: codes for each in listed for name, codes in each["codes"].items()}
        for each in listed:
            listing["sources"] |= each["sources"] if with_sources else {}
    temporary = LISTING.with_suffix(".tmp")
    temporary.write_text(json.dumps(listing))
    temporary.replace(LISTING)


def files_of(targets: tuple[str, ...]) -> list[Path]:
    """List the files that an installation needs: the extension modules and what tells of them."""
    listed = json.loads(LISTING.read_text())["targets"]
    modules = {module for target in targets for codes in listed[target].values() for module, _ in codes.values()}
    return [LISTING, *(FOLDER / module for module in sorted(modules))]


def _in_own_process(area: str, target: str) -> subprocess.CompletedProcess[str]:
    """Compile an area, with numba told to use no instructions beyond the target's, and how much to optimise."""
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": _instructions(target),
        "NUMBA_CPU_FEATURES": "",
        "BALER_LOOPS": "python",
        "NUMBA_OPT": "0" if target == "unoptimised" else "3",
    }
    command = [sys.executable, str(Path(__file__)), "--area", area, target]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)


def main() -> None:
    """Compile for the processor at hand, or as the options say."""
    parser = argparse.ArgumentParser(description="Compile the loops of a source tree of baler-core.")
    parser.add_argument(
        "--checked", action="store_true", help="also code that checks every place, for BALER_LOOPS=checked"
    )
    parser.add_argument(
        "--unoptimised", action="store_true", help="also code as it is written, for BALER_LOOPS=unoptimised"
    )
    parser.add_argument("--all", action="store_true", help="for all processors of this kind, as in wheels")
    parser.add_argument("--area", nargs=2, metavar=("AREA", "TARGET"), help="one module alone, in this process")
    arguments = parser.parse_args()
    if arguments.area:
        compile_area(*arguments.area)
        return
    targets = targets_here() if arguments.all else best_target()
    for_tests = [target for target in FOR_TESTS if getattr(arguments, target)]
    try:
        compile_all((*targets, *for_tests), with_sources=True)
    except (ImportError, OSError, RuntimeError) as error:
        sys.exit(
            f"{error}\nThe loops are not compiled: all works, about 200 times slower. With a C compiler, try again."
        )


def best_target() -> tuple[str, ...]:
    """Return the target that runs here."""
    from baler_core.machine.loop_library import runs_here

    return (next(target for target in targets_here() if runs_here(target)),)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
