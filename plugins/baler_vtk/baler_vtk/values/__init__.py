"""Arrays as bytes, and back."""
