"""How the service is started, spread and watched.

`config`, `server`, `run`, `ray_serving`; what it tells of itself in `metrics`, `watching`, `timing`,
`latency` and `self_check`.
"""
