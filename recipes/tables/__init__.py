"""Scores gathered into tables, and the model card."""
