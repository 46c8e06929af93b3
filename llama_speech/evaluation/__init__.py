"""Scoring of the models and of their peers: one file per task; `scores`, `peers` and `report` are shared."""
