"""The reader `root`: opens a tree for reading, and starts a file to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from baler_core import Block, Cut, Exported, Formula, Options, Reader, Rounded, Schema, Sink, Source


class RootOptions(Options):
    """Options of the reader `root`."""

    tree: str | None = Field(
        default=None,
        description="The TTree or RNTuple whose branches are variables (`Events`, `folder/Events`); else all are.",
    )
    others: Literal["keep", "drop"] = Field(
        default="keep",
        description="Whether objects that are not variables (histograms, other trees, ...) are kept byte for byte.",
    )
    allow_missing: bool = Field(
        default=False,
        description="Leave out, with a warning, branches and objects whose bytes are damaged. All values are read once.",
    )


class RootReader(Reader):
    """TTrees and RNTuples: flat and jagged branches of numbers, booleans and strings."""

    name = "root"
    summary = "ROOT files: TTree and RNTuple, flat and jagged branches; all other objects as they are"
    suffixes = (".root",)
    Options = RootOptions

    @classmethod
    def formulas(cls, names: Sequence[str]) -> Sequence[Formula]:
        """Return relations within four-momenta, and of jets to what they consist of."""
        from baler_root.metrics.formulas import offered_formulas

        return offered_formulas(names)

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open the trees; the lengths of all lists are read, and what is carried as it is, but no other values.

        Raises
        ------
        DataError
            If the file is missing or damaged, or has no such tree or branch.
        """
        from baler_root.source import RootSource

        return RootSource(
            path,
            self.options.tree,
            self.options.others == "keep",
            variables,
            allow_missing=self.options.allow_missing,
        )

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a file with the same trees and objects: names, titles, types and order as in the original."""
        from baler_root.sink import RootSink

        return RootSink(path, schema)

    def cut(self, schema: Schema, whole: Schema) -> Cut:
        """Describe a file with some branches or events of one tree, and nothing else."""
        from baler_root.schema.cutting import cut_tree

        return cut_tree(schema, whole)

    def exported(self, schema: Schema, lossy: Mapping[str, Rounded], sample: Block) -> Exported | None:
        """Describe a file whose baskets and pages are compressed with Zstandard or zlib, whichever is smaller."""
        from baler_root.schema.exporting import exported_file

        return exported_file(schema, lossy, sample)
