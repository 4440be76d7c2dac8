"""Define variables, blocks and bounds, the basic types of every other layer."""
