"""The `predictive` model for fields and images: each value predicted from its neighbours in space, time and variables."""
