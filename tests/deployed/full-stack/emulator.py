"""The AWS emulator: ministack on loopback, with TLS, because the queues and the topic refuse plain HTTP, and with IAM enforced."""

import os
from pathlib import Path

import psutil

from local import LOGS, Daemon, free_port, is_listening, until

REGION = "us-east-1"
# The emulator's root user.
ROOT_KEY = "test"


class Emulator:
    """A running emulator; `stop` ends it and the functions that it runs."""

    def __init__(self):
        temporary = LOGS / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        # The emulator writes its self-signed certificate here.
        self.certificate = temporary / "ministack-tls" / "server.crt"
        # -P: the folder of this file is not on the module path.
        command = [os.environ["MINISTACK_PYTHON"], "-P", Path(__file__).with_name("emulator_main.py")]
        self.daemon = Daemon(command, self.own_environment(temporary), "ministack.log")
        until("the emulator to listen", 60, lambda: self.daemon.is_running() and is_listening(self.port))

    def own_environment(self, temporary):
        """The emulator's environment; its functions inherit it, and find the emulator through it."""
        return self.environment() | {
            "AWS_REGION": REGION,
            "TMPDIR": str(temporary),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_AUTOCREATE_AWS_MANAGED": "1",
            "STATE_DIR": str(temporary / "state"),
            "S3_DATA_DIR": str(temporary / "s3"),
            "IOT_MTLS_ENABLED": "false",
            "AUTH": "true",
            "USE_SSL": "1",
        }

    def environment(self):
        """A client's environment, with the variables that README.md asks for."""
        return os.environ | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self.certificate),
            "SSL_CERT_FILE": str(self.certificate),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        }

    def instances(self, function):
        """The processes of a function that this emulator runs."""
        children = psutil.Process(self.daemon.process.pid).children()
        return [child for child in children if environment_of(child).get("AWS_LAMBDA_FUNCTION_NAME") == function]

    def kill(self, function):
        """Kills every instance of a function. Returns their process ids."""
        instances = self.instances(function)
        for instance in instances:
            instance.kill()
        return [instance.pid for instance in instances]

    def stop(self):
        self.daemon.stop()

    @property
    def log(self):
        return Path(self.daemon.log)


def environment_of(process):
    """The variables of a process; none if it has ended."""
    try:
        return process.environ()
    except psutil.NoSuchProcess:
        return {}
