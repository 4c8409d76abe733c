"""`python -m stemgen`."""

from stemgen.start import main

main()
