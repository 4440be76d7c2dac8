"""Join the tables of several files: rows after rows, categories of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def joined_arrow(tables: Sequence[pa.Table]) -> pa.Table:
    """Return tables of arrow as one; a column of nothing but nulls takes the type that it has elsewhere."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def joined_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables of pandas as one, with rows numbered from 0; categories that differ are those of all, in their order."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    joined = pd.concat(frames, ignore_index=True)
    for name in joined.columns:
        columns = [frame[name] for frame in frames]
        kinds = [column.dtype for column in columns]
        if joined[name].dtype in kinds or not all(isinstance(kind, pd.CategoricalDtype) for kind in kinds):
            continue
        ordered = any(kind.ordered for kind in kinds if isinstance(kind, pd.CategoricalDtype))
        joined[name] = union_categoricals(columns, ignore_order=ordered)
    return joined
