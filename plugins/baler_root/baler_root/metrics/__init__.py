"""Measure the effect of the loss on quantities of particle physics."""
