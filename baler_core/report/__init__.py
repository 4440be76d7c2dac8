"""Results → report.html, report.json and pictures."""

from __future__ import annotations

from baler_core.report.write import draw, read_results, write_report

__all__ = ["draw", "read_results", "write_report"]
