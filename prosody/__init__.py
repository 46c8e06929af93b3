"""Prosody: how long, how high and how loud each phone is said."""
