"""Tools on top of Alsek: iterating over results, and keeping statuses true."""

from alsek.tools.integrity import StatusTrackerIntegrityScanner, StatusTrackerIntegryScanner
from alsek.tools.iteration import ResultPool

__all__ = ["ResultPool", "StatusTrackerIntegrityScanner", "StatusTrackerIntegryScanner"]
