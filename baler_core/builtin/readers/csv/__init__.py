"""Read and write text tables: CSV, ECSV, VizieR and blank-separated columns."""
