"""Reads and writes text tables: CSV, ECSV, VizieR and blank-separated columns."""
