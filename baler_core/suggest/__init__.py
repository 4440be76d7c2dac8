"""Propose bounds and a commented configuration for a data file."""
