"""`python -m llama_speech` is `llama-speech`."""

import sys

from llama_speech.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
