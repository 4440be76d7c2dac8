"""Write trees anew from their variables: TTrees of plain branches, and RNTuples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baler_root.contents.branches import Branch
from baler_root.values.flatten import put_together
from baler_root.values.ntuple_types import ntuple_form
from baler_root.values.plans import TreePlan
from baler_root.values.ttree import TreeWriter
from baler_root.values.writing.records import Names, add_object, forget_key


class TTreeOutput:
    """A TTree in a file open for writing."""

    def __init__(self, directory: Any, names: Names, title: str, branches: Sequence[Branch], fields: int) -> None:
        self._plan = TreePlan(branches)
        self._writer = TreeWriter(directory, names, title, self._plan.top, fields)

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None:
        """Append events."""
        self._writer.write(self._plan.encode(values, counts))

    def close(self) -> None:
        """Write the tree with all its branches."""
        self._writer.close()


class RNTupleOutput:
    """An RNTuple in a file open for writing."""

    def __init__(self, directory: Any, names: Names, title: str, branches: Sequence[Branch]) -> None:
        self._directory, self._names, self._branches = directory, names, branches
        self._ntuple = directory.mkrntuple(names.name, ntuple_form(branches), title)

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None:
        """Append events as one cluster."""
        import awkward as ak

        record = self._record(values, counts)
        if len(record):
            self._ntuple.extend(ak.Array(record))

    def _record(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> Any:
        import awkward as ak

        contents = [put_together(branch.form, branch.key, values, counts) for branch in self._branches]
        return ak.contents.RecordArray(contents, [branch.key for branch in self._branches])

    def close(self) -> None:
        """Write the anchor again, under a key like the original's: each cluster has been listed as it came."""
        anchor = self._ntuple._cascading._anchor.serialize()
        forget_key(self._directory, self._names.name, self._ntuple._cascading._key.cycle)
        add_object(self._directory, self._names, anchor, packed=False)
