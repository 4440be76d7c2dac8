"""Variables, blocks and bounds: the nouns that every other room speaks of."""
