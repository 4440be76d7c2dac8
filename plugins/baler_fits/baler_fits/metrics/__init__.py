"""Measure the effect of the loss on quantities of astronomy."""
