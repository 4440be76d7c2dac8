"""The baler plugin for FITS files and astronomy metrics."""
