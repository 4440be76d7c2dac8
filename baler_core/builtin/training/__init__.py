"""Train any network of torch: epoch by epoch, from checkpoints, by one process or several."""
