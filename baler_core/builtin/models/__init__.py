"""The built-in models, one room each."""
