#!/usr/bin/env python3
"""Looks for the secrets that the tests plant in what a test run wrote.

Usage: scripts/find_planted_secrets.py FILE...

The secrets are the lines of tests/fixtures/planted-secrets.txt. Exit code 0: none is in any file; 1: one is, and where is said
without repeating it; 2: a file cannot be read.
"""

import base64
import sys
import urllib.parse
from pathlib import Path

SECRETS = Path(__file__).resolve().parent.parent / "tests/fixtures/planted-secrets.txt"


def planted(text):
    """The secrets of the list, each with the forms in which a program may write it."""
    lines = (line.strip() for line in text.splitlines())
    secrets = [line for line in lines if line and not line.startswith("#")]
    forms = {}
    for secret in secrets:
        for form in (secret, urllib.parse.quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
            forms[form.encode()] = secret
    return forms


def find(forms, path):
    """Lines of a file that show a secret, as (line number, the secret's first letters)."""
    found = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            found += [(number, secret[:6]) for form, secret in forms.items() if form in line]
    return found


def main(paths):
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    forms = planted(SECRETS.read_text(encoding="utf-8"))
    leaks = 0
    for path in paths:
        try:
            found = find(forms, path)
        except OSError as error:
            print(f"find_planted_secrets.py: {error}", file=sys.stderr)
            return 2
        for number, beginning in found:
            print(f"{path}:{number}: a secret that a test planted is written here; it begins with {beginning}")
        leaks += len(found)
    print(f"{len(paths)} files, {leaks} planted secrets found")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
