"""The `transform` model for fields: a basis over time learned from the data, wavelets in space, contexts, bound layer."""
