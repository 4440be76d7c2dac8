"""Codes the symbols of a table's columns bit by bit, with probabilities mixed from several contexts."""
