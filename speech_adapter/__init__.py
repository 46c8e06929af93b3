"""Speech adapter: encodings into the token sequence of a frozen Llama, and decoding."""
