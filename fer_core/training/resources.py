"""CPU and memory use of a run's process, measured by another process."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from fer_core.processes import is_process_alive
from fer_core.training.run_folder import RunStatus


@dataclass(frozen=True)
class ResourceUse:
    """CPU and memory use of a run's process and its child processes.

    Attributes:
        busy_cores: Mean number of busy cores since the previous measurement; None without a
            previous measurement of the same process.
        cores: Number of cores of the machine.
        memory_bytes: Physical memory in use.
        machine_memory_bytes: Physical memory of the machine.
        process_id: ID of the run's process.
        cpu_seconds: CPU seconds that these processes have used since they started.
        moment: Time of the measurement, in seconds of ``time.monotonic``.
    """

    busy_cores: float | None
    cores: int
    memory_bytes: int
    machine_memory_bytes: int
    process_id: int
    cpu_seconds: float
    moment: float


def resource_use(
    status: RunStatus | None, earlier: ResourceUse | None = None
) -> ResourceUse | None:
    """Measure the process that wrote a status.

    Args:
        status: The status of a run that is being trained.
        earlier: The previous measurement; needed for ``busy_cores``.

    Returns:
        The measurement; None if there is no status, if the process has ended or cannot be accessed,
        or if psutil is not installed.
    """
    try:
        import psutil
    except ImportError:
        return None
    if status is None or not is_process_alive(status.process_id, status.process_started):
        return None
    try:
        process = psutil.Process(status.process_id)
        processes = [process, *process.children(recursive=True)]
        cpu_seconds, memory_bytes = 0.0, 0
        for member in processes:
            with member.oneshot():
                times = member.cpu_times()
                cpu_seconds += times.user + times.system
                memory_bytes += member.memory_info().rss
    except psutil.Error:
        return None
    now = time.monotonic()
    busy_cores = None
    if earlier is not None and earlier.process_id == process.pid and now > earlier.moment:
        # The difference can be negative, because the CPU seconds of a child process that has ended
        # are no longer counted.
        busy_cores = max(cpu_seconds - earlier.cpu_seconds, 0.0) / (now - earlier.moment)
    return ResourceUse(
        busy_cores=busy_cores,
        cores=os.cpu_count() or 1,
        memory_bytes=memory_bytes,
        machine_memory_bytes=psutil.virtual_memory().total,
        process_id=process.pid,
        cpu_seconds=cpu_seconds,
        moment=now,
    )
