"""Find out what arrays a store has, of which types, and how they are encoded."""
