"""Speech synthesis: phones and prosody to spectral frames, frames to sound, both as streams."""
