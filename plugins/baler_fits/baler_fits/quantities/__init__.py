"""Quantities of astronomy that formulas of derived quantities may call."""
