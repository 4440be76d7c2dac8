"""What the machine offers: compiled loops, threads, files that appear only when complete, progress bars."""
