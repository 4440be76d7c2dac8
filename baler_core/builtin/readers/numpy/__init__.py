"""Read and write NumPy's files, and Python objects as archives of arrays."""
