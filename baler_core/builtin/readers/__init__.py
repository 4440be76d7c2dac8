"""The formats the core reads and writes without any other plugin."""
