"""The kinds of Python objects that the core takes: arrays of numpy, sets of xarray, tables of pandas."""
