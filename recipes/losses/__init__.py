"""Losses of training and the targets they are measured against."""
