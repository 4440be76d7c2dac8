"""Describe the file as variables, dimensions, and the skeleton that restores the rest."""
