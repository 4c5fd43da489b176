"""The module that the pools of the chaos suite import: the troupe, on the store that the environment names."""

from __future__ import annotations

import json
import os

from tests.chaos.fault_points import trapped
from tests.chaos.stores import open_backend
from tests.chaos.tasks import troupe

_settings = json.loads(os.environ["ALSEK_CHAOS"])
_backend = trapped(open_backend(_settings), _settings.get("faults", []), _settings["folder"])
_troupe = troupe(_backend, _settings["journal"])

work, hold, bulky, pill = _troupe.work, _troupe.hold, _troupe.bulky, _troupe.pill
parent, child, hog, nothing = _troupe.parent, _troupe.child, _troupe.hog, _troupe.nothing
flaky, doomed, wait = _troupe.flaky, _troupe.doomed, _troupe.wait
keyed, lane, gather = _troupe.keyed, _troupe.lane, _troupe.gather
load, aload, tick = _troupe.load, _troupe.aload, _troupe.tick
