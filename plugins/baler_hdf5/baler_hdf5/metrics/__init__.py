"""Metrics of flows: what compression does to derivatives and spectra of fields."""
