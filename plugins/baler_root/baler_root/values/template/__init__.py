"""Trees of any structure: the tree's own bytes are kept, and its baskets put in new places."""
