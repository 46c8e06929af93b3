"""TeX: commands by name, the marks around a formula silent."""

import re

from tts_frontend.inventory import Match, RuleSet

FORMULAS = RuleSet("formula", checked=False)

TEX = {
    "times": "times", "cdot": "times", "div": "divided by", "pm": "plus or minus",
    "leq": "less than or equal to", "le": "less than or equal to",
    "geq": "greater than or equal to", "ge": "greater than or equal to", "neq": "not equal to",
    "approx": "approximately equals",
    "infty": "infinity", "sqrt": "square root of", "frac": "fraction", "sum": "sum", "int": "integral",
    "to": "to", "rightarrow": "to",
    "alpha": "alpha", "beta": "beta", "gamma": "gamma", "delta": "delta", "theta": "theta",
    "lambda": "lambda", "mu": "mu", "pi": "pi",
    "sigma": "sigma", "phi": "phi", "omega": "omega", "text": "", "left": "", "right": "",
    "ln": "natural log", "log": "log", "sin": "sine",
    "cos": "cosine", "tan": "tangent",
}  # fmt: skip


@FORMULAS.rule(r"\\([A-Za-z]+)", "\\", lambda m: 4.0, cases=[("\\times", "times"), ("\\pi", "pi")])
def tex_command(m: Match) -> str | None:
    r"""A command of TeX by its name: "\\times" is "times"."""
    return TEX.get(m[1])


@FORMULAS.rule(r"\\[()\[\]]|\$\$", "\\$", 3.0, cases=[("\\(", ""), ("$$", "")])
def tex_delimiter(m: Match) -> str | None:
    """The marks around a formula; two dollars only beside white space and not before an amount."""
    if m.text != "$$":
        return ""
    beside = m.follows(re.compile(r"(?:^|\s)$")) or m.precedes(re.compile(r"\s|$"))
    return "" if beside and not m.precedes(re.compile(r"\d")) else None
