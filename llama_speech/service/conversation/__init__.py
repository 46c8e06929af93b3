"""The conversation as a state machine, without network and models: what is heard, answered, kept and sent.

`session` and its `settings`; the user's side in `listening` (`turns`, `detection`, `interruption`,
`captions`, `transcripts`); answers in `answering` and `answer`; what is kept in `items`, what goes out in
`outbox`.
"""
