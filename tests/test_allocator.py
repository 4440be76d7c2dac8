"""Memory of large arrays stays with the process while it works on much, and goes back to the system afterwards."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_USE = """
import json, os, resource
import numpy as np
from baler_core.machine.allocator import memory_kept

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

def use():
    arrays = [np.ones(5_000_000, "u1") for _ in range(20)]
    return sum(int(array[-1]) for array in arrays)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

use()
found = {"before": resident()}
with memory_kept(1000):
    found["of few"] = faults()
with memory_kept(1 << 30), memory_kept(1 << 30):
    use()
    found["kept"] = faults()
    found["meanwhile"] = resident()
found["after"] = resident()
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_memory_is_kept_meanwhile_and_given_back() -> None:
    environment = {"NUMPY_MADVISE_HUGEPAGE": "0", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", _USE], capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout)
    assert found["kept"] < 1000 < found["of few"]  # pages of 4 kB, of 100 MB
    assert found["meanwhile"] > found["before"] + 80
    assert found["after"] < found["before"] + 20
