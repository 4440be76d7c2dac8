"""Quantities of particle physics that formulas of derived quantities may call."""
