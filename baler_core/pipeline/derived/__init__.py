"""Derived quantities: formulas on the variables of a file, what each cell depends on, and what inputs may lose for them."""
