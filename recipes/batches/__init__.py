"""Endless, resumable batches: one file for each kind of training data."""
