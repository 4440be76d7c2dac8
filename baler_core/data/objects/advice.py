"""Advise how to convert objects, arrays and columns of unsupported types, by the name of the type."""

from __future__ import annotations

# The beginning of a type's full name, or of pandas' name of a column's type, and what makes something of it that is held.
_ADVICE = {
    "dask.dataframe": "call .compute() on it",
    "dask.": "give it as an xarray.DataArray, which is computed block by block, or call .compute() on it",
    "sparse.": "make it dense with .todense()",
    "scipy.sparse": "make it dense with .toarray()",
    "xarray.core.datatree": "take its nodes with .to_dataset(), one by one, or compress its file",
    "xarray.DataTree": "take its nodes with .to_dataset(), one by one, or compress its file",
    "xarray.core.variable": "make it an xarray.DataArray",
    "xarray.Variable": "make it an xarray.DataArray",
    "pandas.Index": "make it a Series with .to_series()",
    "pandas.DatetimeIndex": "make it a Series with .to_series()",
    "polars.": "call .to_pandas() on it",
    "pyarrow.": "call .to_pandas() on it",
    "numpy.matrix": "make it a plain array with numpy.asarray",
    "Sparse[": "make it dense with .sparse.to_dense()",
    "period[": "make it times with .to_timestamp()",
    "interval[": "keep its ends in two columns, .left and .right",
}


def advice_for(kind: str, otherwise: str = "") -> str:
    """Return what to do with something of a type; `otherwise` where nothing better is known."""
    if kind.endswith("[pyarrow]"):
        return "turn it with .convert_dtypes(dtype_backend='numpy_nullable')"
    return next((advice for start, advice in _ADVICE.items() if kind.startswith(start)), otherwise)
