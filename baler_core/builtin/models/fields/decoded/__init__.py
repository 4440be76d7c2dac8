"""Images that were decoded from a lossy transform, whose coefficients are found and made pixels again."""
