"""Leave out of machine code the counting of references to arrays that loops are given: who calls a loop holds them meanwhile."""

from __future__ import annotations

import re
from typing import Any

_FUNCTION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.MULTILINE | re.DOTALL)
_NAME = r'%(?:"[^"]*"|[-\w.$]+)'
_COUNT = re.compile(
    rf"^ +(?:tail |notail )?call void @NRT_(?:incref|decref)\(ptr [^%\n]*({_NAME})\)[^\n]*\n", re.MULTILINE
)
# Instructions by which a reference may outlive the function, or be counted under another name.
_KEEPS = re.compile(
    r"^ +(?:store|ret|%\S+ = (?:phi|select|insertvalue|ptrtoint|freeze|addrspacecast))\b[^\n]*", re.MULTILINE
)


def without_counting(assembly: str) -> str:
    """Remove the counting of references to arguments from all functions of a module.

    A function borrows the arrays that it is given: it counts each as often up as down, unless it returns or stores one.
    numba leaves out only pairs that it finds near each other, and each that is left takes two locked instructions, which
    threads that share an array wait for.

    Parameters
    ----------
    assembly
        The module as LLVM writes it.
    """
    return _FUNCTION.sub(lambda match: _reduced(match.group()), assembly)


def _reduced(function: str) -> str:
    """Remove the counting of references to arguments that do not leave the function."""
    if "@NRT_incref(" not in function and "@NRT_decref(" not in function:
        return function
    head, _, body = function.partition("\n")
    given = set(re.findall(rf"ptr [^%,]*({_NAME})(?=[,)])", head))
    for match in _KEEPS.finditer(body):
        given.difference_update(re.findall(_NAME, match.group()))
    return head + "\n" + _COUNT.sub(lambda match: "" if match.group(1) in given else match.group(), body)


def put_in_numba() -> None:
    """Have numba do so with each module, before the passes that gain most by it."""
    from llvmlite import binding
    from numba.core.codegen import CPUCodeLibrary

    optimise = CPUCodeLibrary._optimize_final_module

    def optimised(library: Any) -> None:
        name = library._final_module.name
        library._final_module = binding.parse_assembly(without_counting(str(library._final_module)))
        library._final_module.name = name
        optimise(library)

    CPUCodeLibrary._optimize_final_module = optimised
