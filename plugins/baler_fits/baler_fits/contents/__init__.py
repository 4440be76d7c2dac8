"""What the file holds, and of which types."""
