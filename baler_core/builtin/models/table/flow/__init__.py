"""A masked autoregressive flow over the columns of a table, trained with torch, evaluated in whole numbers."""
