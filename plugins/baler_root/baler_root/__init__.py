"""The baler plugin for ROOT files and particle-physics metrics."""
