"""Where the jobs are."""

import os

from stem import Stem

app = Stem(
    os.environ.get("STEM_URL", "sqlite:///.stem/two-services.db"),
    include=["warehouse.tasks", "warehouse.flows"],
)
