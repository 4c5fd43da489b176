"""Tasks: functions that workers run, and the decorator that makes them."""

from alsek.core.task.decorator import task
from alsek.core.task.definition import AnyTask, Task, without_hooks
from alsek.core.task.trigger_task import TriggerTask

__all__ = ["AnyTask", "Task", "TriggerTask", "task", "without_hooks"]
