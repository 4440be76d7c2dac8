"""What a ROOT file consists of: folders, trees, and every other object with its streamer information."""
