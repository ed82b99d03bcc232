"""``RayPool``: actors on a Ray cluster, which may be a temporary one on this machine."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fer_core.errors import InputError, first_line, system_reason
from fer_core.extras import require_packages
from fer_core.scale.inputs import Item
from fer_core.scale.pool import Outcome, Task, run_task
from fer_core.scale.stores import is_address
from fer_core.scale.work import Work

#: Maximum time in seconds to connect to the port of a cluster, and to wait for the first answer.
_CONNECT_SECONDS = 3.0
#: Maximum time in seconds to open a gRPC channel. If it opens, the port belongs to a cluster.
_CHANNEL_SECONDS = 6.0
#: Maximum time in seconds to join the cluster and to send the program to it.
_JOIN_SECONDS = 60.0
#: Maximum time in seconds until at least one worker is ready.
_READY_SECONDS = 120.0
#: The job fails if the number of consecutive failed starts, divided by the number of workers,
#: reaches this value.
_MAX_FAILED_STARTS_PER_WORKER = 3
#: Size of Ray's memory for shared objects, if a cluster is started on this machine.
_OBJECT_STORE_BYTES = 200 * 2**20
#: The package that is sent to the nodes; the model of a job is sent separately.
_PACKAGE = Path(__file__).resolve().parent.parent
#: Patterns of the files in the package that are not sent.
_NOT_SENT = ["**/__pycache__", "models"]


class RayPool:
    """Workers that are actors of Ray. If a node dies, its actors are replaced on other nodes."""

    def __init__(
        self,
        work: Work,
        *,
        address: str | None,
        workers: int | None,
        threads: int,
        memory_bytes: int,
        folder: str,
        probe: str,
        max_workers: int,
    ) -> None:
        """Connect to a cluster and start the actors.

        Args:
            work: What to do with the files; each actor calls ``work.open``.
            address: See ``ScaleOptions.address``.
            workers: The number of actors; None for the number of cores of the cluster divided by
                ``threads``.
            threads: Number of threads of each actor. Ray reserves this number of CPUs for an actor.
            memory_bytes: See ``Work.open``.
            folder: The folder to which the relative paths of files refer.
            probe: A file of the job. If it is a file on this machine, every node must have access
                to it.
            max_workers: Maximum number of actors.

        Raises:
            InputError: The cluster cannot be reached, or has another version of Ray or Python.
        """
        require_packages("--on ray needs", "scale", "ray")
        connect(address)
        import ray

        self._ray = ray
        cores = int(ray.cluster_resources().get("CPU", 1))
        self.size = min(workers or max(1, cores // threads), max_workers)
        self._probe = None if is_address(probe) else str(Path(folder) / probe)
        self._probe_exists_here = self._probe is not None and Path(self._probe).exists()
        self._arguments = (
            ray.put(work),
            threads,
            memory_bytes,
            folder,
        )
        self._actor = ray.remote(num_cpus=threads, max_restarts=0)(_Actor)
        self._failed_starts = 0
        #: The actor and its task for each running call, by Ray's reference of the call. The task is
        #: None while the actor starts.
        self._running: dict[Any, tuple[Any, Task | None]] = {}
        self._free_actors: list[Any] = []
        for _ in range(self.size):
            self._start()

    def has_free_worker(self) -> bool:
        """Return True if an actor is ready and has no task."""
        return bool(self._free_actors)

    def submit(self, task: Task) -> None:
        """Send a task to a free actor."""
        actor = self._free_actors.pop()
        self._running[actor.run.remote(list(task.items))] = (actor, task)

    def next_outcome(self) -> Outcome | None:
        """Wait for an actor; see ``Pool.next_outcome``."""
        # Only the wait for the first ready worker has a time limit. A task may take any time.
        has_ready_worker = bool(self._free_actors) or any(
            task for _, task in self._running.values()
        )
        done, _ = self._ray.wait(
            list(self._running), num_returns=1, timeout=None if has_ready_worker else _READY_SECONDS
        )
        if not done:
            raise InputError(
                f"No worker could be started on the Ray cluster within {_READY_SECONDS:.0f} "
                "seconds; its nodes may have no free CPU: check 'ray status', or lower --threads."
            )
        actor, task = self._running.pop(done[0])
        try:
            value = self._ray.get(done[0])
        except self._ray.exceptions.RayTaskError as error:
            if task is None:
                raise self._start_error(error) from error
            # The processing of the files raised an error, but the actor is alive.
            self._free_actors.append(actor)
            return Outcome(task, None, first_line(error.cause or error))
        except self._ray.exceptions.RayError as error:
            if task is None:
                self._failed_starts += 1
                if self._failed_starts >= _MAX_FAILED_STARTS_PER_WORKER * self.size:
                    raise self._start_error(error) from error
            self._start()
            return None if task is None else Outcome(task, None, "the worker or its node has ended")
        if task is None:
            node, is_accessible = value
            if self._probe_exists_here and not is_accessible:
                raise InputError(
                    f"The node {node} of the Ray cluster cannot access {self._probe}; use a folder "
                    "that all nodes share, or an address such as s3://bucket/photos."
                )
            self._failed_starts = 0
        self._free_actors.append(actor)
        return None if task is None else Outcome(task, value)

    def close(self) -> None:
        """End the actors, the connection, and a cluster that this process has started."""
        if not self._ray.is_initialized():
            return
        for actor in [*self._free_actors, *(actor for actor, _ in self._running.values())]:
            self._ray.kill(actor)
        self._ray.shutdown()

    def _start(self) -> None:
        """Start an actor, which becomes free when it has loaded the model and the detector."""
        actor = self._actor.remote(*self._arguments)
        self._running[actor.load.remote(self._probe)] = (actor, None)

    def _start_error(self, error: Exception) -> InputError:
        """Return the error to raise if actors end before they are ready."""
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, InputError):
            return InputError(str(cause))
        return InputError(
            f"The workers on the Ray cluster cannot start ({first_line(cause)}); install the "
            "packages in requirements-scale.txt on every node."
        )


class _Actor:
    """Processes tasks on a node."""

    def __init__(self, work: Work, threads: int, memory_bytes: int, folder: str) -> None:
        if Path(folder).is_dir():
            os.chdir(folder)
        self._open_arguments = (work, threads, memory_bytes)
        self._worker: Any = None

    def load(self, probe: str | None) -> tuple[str, bool]:
        """Load the model and the detector.

        Args:
            probe: Path of a file of the job; None to check no file.

        Returns:
            The node's name, and True if the node has access to ``probe``.
        """
        work, threads, memory_bytes = self._open_arguments
        self._worker = work.open(threads=threads, memory_bytes=memory_bytes)
        return socket.gethostname(), probe is None or Path(probe).exists()

    def run(self, items: Sequence[Item]) -> bytes:
        """Process files; see ``run_task``."""
        return run_task(self._worker, items)


def connect(address: str | None) -> None:
    """Connect this process to a Ray cluster.

    Args:
        address: ``ray://HOST:PORT`` (Ray Client), which works from any machine; ``HOST:PORT``,
            which works only on the nodes of the cluster; or another value of RAY_ADDRESS, such as
            ``auto``. None for the cluster that runs on this machine; if no cluster runs, one is
            started.

    Raises:
        InputError: The cluster cannot be reached, does not answer, or has another version of Ray or
            Python; or ``address`` is ``HOST:PORT`` and this machine is not a node of Ray.
    """
    # This variable keeps Ray from sending usage data to its developers. Ray reads it when it is
    # imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "ray" not in sys.modules and _token():
        # Like "ray start", use the token of this machine by default. Ray reads this variable, too,
        # when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    if ray.is_initialized():
        ray.shutdown()
    quiet_options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    cluster = address or _running_cluster()
    if cluster is None:
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            **quiet_options,
        )
        return
    _check_port(cluster)
    runtime_environment = {"py_modules": [str(_PACKAGE)], "excludes": _NOT_SENT}
    check_answer(cluster)
    _check_is_node(cluster)
    _join(cluster, quiet_options | {"runtime_env": runtime_environment})


def _running_cluster() -> str | None:
    """Return the address of a cluster on this machine that was started with ``ray start``."""
    from ray._private.services import find_gcs_addresses

    addresses: set[str] = find_gcs_addresses()
    return min(addresses) if addresses else None


def _token() -> str:
    """Return the token of this machine for Ray clusters; empty if there is none."""
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    if not token:
        token_path = os.environ.get("RAY_AUTH_TOKEN_PATH")
        with suppress(OSError, UnicodeDecodeError):
            default_path = Path.home() / ".ray" / "auth_token"
            token = (Path(token_path) if token_path else default_path).read_text()
    return token.strip()


def _authorization() -> list[tuple[str, str]]:
    """Return the headers that Ray adds to a request; empty unless RAY_AUTH_MODE is ``token``."""
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return []
    return [("authorization", f"Bearer {_token()}")]


def _token_error(address: str) -> InputError:
    return InputError(
        f"The Ray cluster at {address} does not accept this process; check that this machine has "
        "the token of the cluster in ~/.ray/auth_token, and RAY_AUTH_MODE=token."
    )


def _check_port(address: str) -> None:
    """Check that a program listens at the address of a cluster.

    Raises:
        InputError: The connection fails.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # an address without a port, such as "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = system_reason(error)
        raise InputError(
            f"The Ray cluster at {address} cannot be reached ({reason}); check the address, and "
            "that 'ray start --head' is running there."
        ) from error


def check_answer(address: str) -> None:
    """Check that a Ray cluster answers and accepts the token.

    Without this check, Ray would retry for minutes.

    Raises:
        InputError: The gRPC channel does not open in time, or the cluster does not accept this
            process.
    """
    import grpc

    target = address.removeprefix("ray://")
    if os.environ.get("RAY_USE_TLS") == "1" or not target.rpartition(":")[2].isdigit():
        return  # the connection is encrypted, or the address has no port, such as "auto"
    with grpc.insecure_channel(target) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_CHANNEL_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise InputError(
                f"The Ray cluster at {address} does not answer within {_CHANNEL_SECONDS:.0f} "
                "seconds; check that the address belongs to a Ray cluster."
            ) from error
        try:
            # Ray itself sends this request first. The content of the answer does not matter. Errors
            # other than a rejected token, such as a timeout, are ignored here: if they are
            # permanent, _join reports them.
            request = channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetClusterId")
            request(b"", timeout=_CONNECT_SECONDS, metadata=_authorization())
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise _token_error(address) from error


def _check_is_node(address: str) -> None:
    """Check that this machine is a node of Ray if the address is ``HOST:PORT``.

    Ray itself would report this only after a minute.

    Raises:
        InputError: No node of Ray runs on this machine.
    """
    from ray._private.services import find_node_ids

    host, _, port = address.rpartition(":")
    if address.startswith("ray://") or not port.isdigit() or find_node_ids():
        return
    raise InputError(
        f"This machine is not a node of the Ray cluster at {address}; give ray://{host}:10001, or "
        f"make it a node with 'ray start --address={address}'."
    )


def _join(address: str, options: dict[str, Any]) -> None:
    """Connect in a thread with a time limit, because Ray retries for a long time.

    Raises:
        InputError: The cluster cannot be joined, or it takes too long.
    """
    import ray

    errors: list[BaseException] = []

    def run() -> None:
        try:
            ray.init(address=address, **options)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_JOIN_SECONDS)
    if thread.is_alive():
        raise InputError(
            f"The Ray cluster at {address} cannot be joined within {_JOIN_SECONDS:.0f} seconds; "
            "check 'ray status' there."
        )
    if errors:
        raise _join_error(errors[0], address) from errors[0]


def _join_error(error: BaseException, address: str) -> InputError:
    text = " ".join(str(error).split())
    # "Version" and "Mismatch" may begin with upper or lower case.
    if "ersion" in text and ("ismatch" in text or "same version" in text):
        import platform

        import ray

        return InputError(
            f"The Ray cluster at {address} has another version of Ray or Python than this machine "
            f"(Ray {ray.__version__}, Python {platform.python_version()}); install the same "
            "versions on all nodes."
        )
    return InputError(
        f"The Ray cluster at {address} cannot be used ({first_line(error)}); check the address, "
        "and 'ray status' there."
    )
