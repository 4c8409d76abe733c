"""The engine in this process's memory: the contracts written out plainly, as the specification of all others.

Not durable and for one process; envelopes are bytes here too, leases and fences are real.
"""

from stem.memory.engine import MemoryEngine as MemoryEngine
from stem.memory.engine import MemoryStore as MemoryStore
