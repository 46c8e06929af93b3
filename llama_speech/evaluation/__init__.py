"""Scoring of the models and of their peers.

One file for each task: `asr`, `translation`, `dialogue`, `normalization`, `prosody`, `speech`, `latency`,
`toxicity`, `preference`, `compare`.
Test sets: `datasets`, `corpora`, `no_speech`. Systems: `ours`, `understanding`, `streaming`,
`synthesizers`, `peers`, `peer_models`, `normalization_peers`; what they wrote is kept by `transcripts` and
`measures`.
Measures: `scores`, `translation_scores`, `comet`, `normalization_scores`, `lagging`, `pitch`,
`speech_quality`, `toxicity_scorers`, `paper`. Shown: `report`, `results`, `pages`, `html`, `charts`,
`speech_plot`.
"""
