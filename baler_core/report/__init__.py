"""Turns results into figures, report.html and report.json."""
