"""State the version of the core, which files, workers and comparisons name."""

__version__ = "0.1.0"
