"""Data preparation, training and measurement; run each as `python -m recipes.NAME`.

Data: `prepare_*`, `align_phones`, `normalizer_states`, and `data/` with what they read and make.
Training: `pretrain_encoder`, `distil_encoder`, `finetune_speech` and `finetune_llama` for the recognizer,
`train_*` for the rest.
Into a bundle: `pack_*`. Measured: `score_*`, `benchmark*`, `compare_starts`, `normalizer_table`, `report`;
what it costs: `training_costs`.

The others are no commands but what these share. Around the loop: `training_loop`, `recipe`, `command`,
`options`, `processes`, `metrics_log`, `weight_average`, `stages`, `model_card`. Batches: `*_batches`,
`mixture`, `normalizer_places`, `text_as_speech`. Losses and targets: `*_losses`, `ctc_*`, `phone_ctc`,
`distillation`. Weights to begin with: `inherited_layers`.
Generated text: `text_forms`, `text_templates`. Scores and tables: `pronunciation_*`, `report_tables`.
"""
