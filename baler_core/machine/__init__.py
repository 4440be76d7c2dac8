"""Provide compiled loops, threads, atomic file writing and progress bars."""
