"""One set of models for all sessions.

`engine`, which asks for words (`hearing`, `partials`), ends of turns (`turn_end`), tokens (`prompting`,
`batching`, `vllm_decoding`) and sound (`speaking`, `voice`), and gives `products`.
"""
