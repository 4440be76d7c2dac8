"""Find out what columns a file has, of which types, and how they are stored."""
