"""A data file to proposed bounds and a commented configuration."""
