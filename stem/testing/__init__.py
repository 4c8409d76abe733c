"""For tests of code that uses stem: a fake app, a clock to move, contexts for direct calls."""

from stem.testing.clock import FakeClock as FakeClock
from stem.testing.context import task_context as task_context
from stem.testing.fake import FakeStem as FakeStem
from stem.testing.simulate import Report as Report
from stem.testing.simulate import simulate as simulate
