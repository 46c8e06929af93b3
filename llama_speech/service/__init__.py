"""The real-time service: a conversation as a state machine, one model for all sessions, its addresses.

`conversation` knows neither network nor models; `models` gives it words, ends of turns, tokens and sound;
`endpoints` are the addresses clients connect to; `operation` starts, spreads and watches it all.
"""
