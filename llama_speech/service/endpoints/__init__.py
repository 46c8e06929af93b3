"""The addresses clients connect to.

`app` with `realtime`, `rest_audio`, `rest_chat` and `uploads`; what travels in `protocol`, `beta` and
`wire_audio`, how fast in `sending` and `pacing`; who may come in by `access`.
"""
