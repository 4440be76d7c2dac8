"""Python objects of this field as variables, and back."""
