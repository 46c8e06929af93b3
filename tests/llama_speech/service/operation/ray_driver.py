"""Ray on this machine with the deployment on it, for test_ray_serving.

Run as `python ray_driver.py PORT METRICS_PORT FOLDER ARGUMENTS`. The replicas are those of `serve run`, with
the paced voice of tones in place of a trained one. A line on stdin asks for `replicas` (answered by their
ids and processes), to `delete` the application, or for the end (empty).
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette

DEPLOYMENT = "llama-speech"


def load_paced(arguments: Sequence[str]) -> Starlette:
    """As llama_speech.cli.serve.load_app."""
    from llama_speech.cli import serve
    from llama_speech.service.endpoints.app import build_app
    from llama_speech.service.operation.run import warm_up
    from tests.llama_speech.service.tone_voice import PacedVoice

    serve.load_voice = lambda args: PacedVoice()  # type: ignore[assignment]
    args = serve.parse_arguments(arguments)
    service = serve.load_service(args, serve.read_config(args))
    warm_up(service)
    return build_app(service)


def main() -> None:
    """Deploy, and do what stdin says."""
    import ray
    from ray import serve

    from llama_speech.service.operation.ray_serving import ReplicaOptions, deployment

    port, metrics_port, folder, *arguments = sys.argv[1:]
    say = _answers()
    ray.init(
        num_cpus=2,
        object_store_memory=100 << 20,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
        _metrics_export_port=int(metrics_port),
        _system_config={"metrics_report_interval_ms": 1000},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    serve.run(deployment(arguments, ReplicaOptions(replicas=2, cpus=0.5), load_paced))
    say("ready")
    for line in map(str.strip, sys.stdin):
        if line == "replicas":
            say(_replicas())
        elif line == "delete":
            serve.delete("default")
            say("deleted")
        else:
            break
    ray.shutdown()


def _replicas() -> dict[str, int]:
    """The process of each replica that runs, by its id."""
    from ray.serve.context import _get_global_client

    found: Any = _get_global_client().get_serve_details()["applications"]["default"]["deployments"]
    return {
        one["replica_id"]: one["pid"] for one in found[DEPLOYMENT]["replicas"] if one["state"] == "RUNNING"
    }


def _answers() -> Callable[[object], None]:
    """What writes to stdout; whatever Ray prints goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lambda what: print(json.dumps(what), file=answers, flush=True)


if __name__ == "__main__":
    main()
