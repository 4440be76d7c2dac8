"""Compare original and restored blocks: errors against bounds, metrics, sizes, and the data of figures."""
