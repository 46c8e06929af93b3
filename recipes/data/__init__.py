"""Manifests, corpora, feature caches, augmentation, batching and speaking teachers."""
