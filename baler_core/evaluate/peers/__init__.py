"""Measure what other compressors make of the same values at the same bounds."""
