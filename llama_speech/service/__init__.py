"""The real-time service: a conversation as a state machine, one model for all sessions, its addresses.

The conversation, without network and models: `session` and its `settings`; the user's side in `listening`
(`turns`, `detection`, `interruption`, `captions`, `transcripts`); answers in `answering` and `answer`; what
is kept in `items`, what goes out in `outbox`.
The models: `engine`, which asks for words (`hearing`, `partials`), ends of turns (`turn_end`), tokens
(`prompting`, `batching`, `vllm_decoding`) and sound (`speaking`, `voice`), and gives `products`.
The addresses: `app` with `realtime`, `rest_audio`, `rest_chat` and `uploads`; what travels in `protocol`,
`beta` and `wire_audio`, how fast in `sending` and `pacing`; who may come in by `access`.
The server: `config`, `server`, `run`, `ray_serving`; what it tells of itself in `metrics`, `watching`,
`timing`, `latency` and `self_check`.
"""
