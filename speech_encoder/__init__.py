"""Speech encoder: log-mel features and a Conformer, pre-trained with BEST-RQ."""
