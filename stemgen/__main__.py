"""`python -m stemgen`."""

from stemgen.cli import main

main()
