"""Makes a component of a Python bot: `python -m hob_sdk.componentize [DIR] --out FILE [--json]`.

What can be found out in a moment (no file, no handler, a wrong signature, a syntax error) is found before componentize-py is started, which takes some twenty
seconds. What only the sandbox's own Python can tell is read from what it printed, and said with the line of the bot that it is about.
"""
