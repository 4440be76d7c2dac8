"""Models of fields on grids: what transform and predictive share, and these two."""
