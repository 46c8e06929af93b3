"""From written text to what is said: text tokens, reading rules, verification, label inference."""
