"""A Whisper of random weights in the format of faster-whisper, made on the spot: one layer, eight wide."""

from pathlib import Path

import numpy as np
from ctranslate2.specs import WhisperSpec

WIDTH, VOCABULARY = 8, 12


def _shape(name: str) -> tuple[int, ...]:
    """Of a variable, by its name in the specification."""
    if "conv" in name:
        return (WIDTH, 80 if "conv1" in name else WIDTH, 3)
    if "embeddings" in name or "projection" in name:
        return (VOCABULARY, WIDTH)
    if name.endswith(("gamma", "beta")):
        return (WIDTH,)
    rows = WIDTH
    if "linear_0" in name:
        rows = 4 * WIDTH if "ffn" in name else (WIDTH if "/attention/" in name else 3 * WIDTH)
    elif "linear_1" in name and "/attention/" in name:
        rows = 2 * WIDTH
    return (rows, 4 * WIDTH if "ffn" in name and "linear_1" in name else WIDTH)


def write_whisper(folder: Path, seed: int = 0) -> Path:
    """A model folder that ctranslate2 loads."""
    random = np.random.default_rng(seed)
    spec = WhisperSpec(1, 2, 1, 2)
    spec.decoder.scale_embeddings = False
    for name, value in spec.variables().items():
        if value is None:
            *parents, last = name.split("/")
            place = spec
            for part in parents:
                kind, _, number = part.rpartition("_")
                place = getattr(place, part) if hasattr(place, part) else getattr(place, kind)[int(number)]
            array = random.normal(0, 0.3, _shape(name)).astype(np.float32)
            setattr(place, last, array + (1.0 if last == "gamma" else 0.0))
    for side, positions in ((spec.encoder, 1500), (spec.decoder, 10)):
        table = random.normal(0, 0.3, (positions, WIDTH)).astype(np.float32)
        side.position_encodings.encodings = table
    for convolution in (spec.encoder.conv1, spec.encoder.conv2):
        convolution.bias = random.normal(0, 0.3, WIDTH).astype(np.float32)
    for layer in spec.encoder.layer:
        for linear in (*layer.self_attention.linear, layer.ffn.linear_0, layer.ffn.linear_1):
            linear.bias = random.normal(0, 0.3, len(linear.weight)).astype(np.float32)
        layer.self_attention.linear[0].bias[WIDTH : 2 * WIDTH] = 0.0  # Whisper's keys have none
    spec.register_vocabulary([f"<{number}>" for number in range(VOCABULARY)])
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    return folder
