"""What the file becomes: variables, dimensions, and the skeleton that restores the rest."""
