"""A Beanstalk app that returns what the platform gave it, for the tests of localaws."""

import json
import os
import time
from http.client import HTTPConnection
from pathlib import Path

from flask import Flask, request

application = Flask(__name__)
METADATA = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")


def metadata(path: str) -> str:
    """Ask the instance metadata service, version 2."""
    service = HTTPConnection(METADATA.removeprefix("http://"), timeout=5)
    service.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    token = service.getresponse().read().decode()
    service.request("GET", f"/latest/{path}", headers={"X-aws-ec2-metadata-token": token})
    answer = service.getresponse().read().decode()
    service.close()
    return answer


@application.get("/")
def index() -> dict[str, object]:
    return {
        "version": Path("VERSION").read_text().strip(),
        "headers": dict(request.headers),
        "environment": sorted(os.environ),
        "greeting": os.environ.get("GREETING"),
        "commands": Path("commands.txt").read_text().split(),
    }


@application.get("/healthz")
def healthz() -> str:
    return "ok"


@application.get("/slow")
def slow() -> str:
    time.sleep(float(request.args["seconds"]))
    return "done"


@application.get("/credentials")
def credentials() -> dict[str, object]:
    """Only a test's app does this."""
    role = metadata("meta-data/iam/security-credentials/")
    return {"role": role, **json.loads(metadata(f"meta-data/iam/security-credentials/{role}"))}
