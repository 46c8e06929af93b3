"""Global mean and deviation of log-mel features, stored with the encoder's weights."""

import numpy as np
import torch
from torch import Tensor

from recipes.data.features_cache import FeatureCache
from speech_core.errors import InputError


def feature_statistics(cache: FeatureCache, most_items: int = 2000, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per mel bin over a seeded sample of items: (mels,), (mels,) float32.

    Raises InputError when the cache holds no frames.
    """
    order = np.random.default_rng(seed).permutation(len(cache))[:most_items]
    total, squares, frames = 0.0, 0.0, 0
    for index in order:
        features = cache[int(index)].features.astype(np.float64)
        total, squares = total + features.sum(0), squares + np.square(features).sum(0)
        frames += len(features)
    if not frames:
        raise InputError("the feature cache is empty: run a preparation recipe first")
    mean = total / frames
    deviation = np.sqrt(np.maximum(squares / frames - mean**2, 1e-8))
    return torch.as_tensor(mean, dtype=torch.float32), torch.as_tensor(deviation, dtype=torch.float32)
