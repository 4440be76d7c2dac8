"""Many files to a set of `.bal` files, by any executor, resumed where it was interrupted, and listed in a manifest."""
