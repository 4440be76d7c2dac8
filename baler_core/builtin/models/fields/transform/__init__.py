"""Codes a field as wavelet coefficients, with a bound layer that repairs what they miss."""
