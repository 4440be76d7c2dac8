"""RNTuples that are kept in their own bytes: their fields, columns and pages as the original has them."""
