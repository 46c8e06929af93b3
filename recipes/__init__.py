"""Data preparation, training and measurement; run each as `python -m recipes.NAME`."""
