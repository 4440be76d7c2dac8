"""Predicts each value of a field from its restored neighbours and codes the residuals."""
