"""Quantities of fields that formulas of derived quantities may call."""
