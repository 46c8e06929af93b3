"""What languages share: Markdown, white space, punctuation, and the shape of addresses."""
