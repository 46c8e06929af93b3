"""Data preparation, training and measurement; run each as `python -m recipes.NAME`.

Data: `prepare_*`, `align_phones`, `normalizer_states`. Training: `pretrain_encoder`, `distil_encoder`,
`finetune_speech` and `finetune_llama` for the recognizer, `train_*` for the rest, all by `training_loop`;
weights to begin with: `inherited_layers`, several of one lineage joined: `average_models`.
Into a bundle: `pack_*`. Measured: `score_*`, `benchmark*`, `compare_starts`, `normalizer_table`, `report`;
what it costs: `training_costs`.

What these share lies in folders: what is read and made in data/, batches/, losses/, what is around the loop
in loop/, scores and the model card in tables/ and cards/.
"""
