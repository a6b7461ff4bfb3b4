"""Recording reverse processes, keeping them, and cutting them into observation-action sequences."""

from symdiff.trajectories.cache import cache_directory, record_store, recorded, store_key
from symdiff.trajectories.data import GAUGES, Sequences, Trajectories
from symdiff.trajectories.device import resolve_device
from symdiff.trajectories.memory import fitting, is_on_disk, memory_budget
from symdiff.trajectories.observed import NO_PROCESS, ObservedSequences, refuse_longer
from symdiff.trajectories.ongoing import refuse_unfinished
from symdiff.trajectories.recording import record
from symdiff.trajectories.sequence_file import digest_of_sequences, is_sequences, read_sequences
from symdiff.trajectories.sequences import Windows, affordable, cut
from symdiff.trajectories.store import is_recording, load_store, open_store, read_manifest, read_store, write_store

__all__ = [
    "GAUGES",
    "NO_PROCESS",
    "ObservedSequences",
    "Sequences",
    "Trajectories",
    "Windows",
    "affordable",
    "cache_directory",
    "cut",
    "digest_of_sequences",
    "fitting",
    "is_on_disk",
    "is_recording",
    "is_sequences",
    "load_store",
    "memory_budget",
    "open_store",
    "read_manifest",
    "read_sequences",
    "read_store",
    "record",
    "record_store",
    "recorded",
    "refuse_longer",
    "refuse_unfinished",
    "resolve_device",
    "store_key",
    "write_store",
]
