"""Turn results into report.html, report.json and pictures."""

from __future__ import annotations

from baler_core.report.write import Report, read_results, redraw, write_report

__all__ = ["Report", "read_results", "redraw", "write_report"]
