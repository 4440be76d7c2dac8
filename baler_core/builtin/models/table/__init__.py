"""The `table` model: columns coded by what earlier columns say about them."""
