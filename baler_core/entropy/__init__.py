"""Integers and bits to bytes, without loss; knows nothing of models or bounds."""
