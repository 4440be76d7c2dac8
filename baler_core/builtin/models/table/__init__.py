"""The `table` model: columns coded in the context of earlier columns."""
