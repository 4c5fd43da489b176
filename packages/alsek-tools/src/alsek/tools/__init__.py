"""Tools on top of Alsek: iterating over results, and keeping statuses true."""

from alsek.tools.result_pool import ResultPool
from alsek.tools.status_integrity import StatusTrackerIntegrityScanner, StatusTrackerIntegryScanner

__all__ = ["ResultPool", "StatusTrackerIntegrityScanner", "StatusTrackerIntegryScanner"]
