"""What a run's process takes of the machine, looked at from outside."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from fer_core.training.processes import is_process_alive
from fer_core.training.run_folder import RunStatus


@dataclass(frozen=True)
class ResourceUse:
    """Processor and memory of a run's process and those that it started.

    Attributes:
        processor_share: Cores kept busy since the earlier look, 1.0 being one core; None at the
            first look.
        cores: Of the machine.
        memory_bytes: In physical memory.
        machine_memory_bytes: Physical memory of the machine.
        process_id: Of the run's process.
        processor_seconds: Taken since the process began.
        moment: Of this look, seconds on a clock of its own.
    """

    processor_share: float | None
    cores: int
    memory_bytes: int
    machine_memory_bytes: int
    process_id: int
    processor_seconds: float
    moment: float


def resource_use(
    status: RunStatus | None, earlier: ResourceUse | None = None
) -> ResourceUse | None:
    """Look at the process that wrote a status.

    Args:
        status: Of a run that is being trained.
        earlier: What this function gave last time, for the share since then.

    Returns:
        None where that process is gone, is another user's, or cannot be looked at.
    """
    try:
        import psutil
    except ImportError:
        return None
    if status is None or not is_process_alive(status.process_id, status.process_started):
        return None
    try:
        process = psutil.Process(status.process_id)
        family = [process, *process.children(recursive=True)]
        seconds, memory = 0.0, 0
        for member in family:
            with member.oneshot():
                times = member.cpu_times()
                seconds += times.user + times.system
                memory += member.memory_info().rss
    except psutil.Error:
        return None
    now = time.monotonic()
    share = None
    if earlier is not None and earlier.process_id == process.pid and now > earlier.moment:
        # A child that ended takes its seconds with it.
        share = max(seconds - earlier.processor_seconds, 0.0) / (now - earlier.moment)
    return ResourceUse(
        processor_share=share,
        cores=os.cpu_count() or 1,
        memory_bytes=memory,
        machine_memory_bytes=psutil.virtual_memory().total,
        process_id=process.pid,
        processor_seconds=seconds,
        moment=now,
    )
