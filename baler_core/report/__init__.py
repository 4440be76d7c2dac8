"""Turn results into report.html, report.json and pictures."""
