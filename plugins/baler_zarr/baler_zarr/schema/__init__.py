"""Describe the store as variables, dimensions, and the skeleton that restores the rest."""
