"""Measure the effect of compression on derivatives and spectra of fields."""
