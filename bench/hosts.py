"""The lab's hosts under many names, written down as each contestant wants them."""

from __future__ import annotations

import base64
import configparser
import hashlib
import json
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_CONFIG = configparser.ConfigParser(interpolation=None)
_CONFIG.read(Path(__file__).parents[1] / "ansible.cfg", encoding="utf-8")
FORKS = _CONFIG.getint("defaults", "forks")
"""The bare commands get as many at once."""

KEY_EXCHANGE = "curve25519-sha256"
"""Everybody's: paramiko, and so pyinfra, has none that is post-quantum, and OpenSSH's takes the controller's processor
60 ms for each new connection where it is older than 9.9."""

# What the roles make of the lab's boards: the end state that pyinfra and the bare commands are given ready-made.
ROCM7 = ["MIOPEN_FIND_MODE=FAST", "AMDGCN_USE_BUFFER_OPS=0"]
BOARDS: dict[str, tuple[str, list[str]]] = {
    "rx5500xt-8g": ("--medvram", ROCM7),
    "rx5500xt-4g": ("--lowvram", ["HSA_OVERRIDE_GFX_VERSION=10.3.0"]),
    "rx5700xt": ("--medvram", ROCM7),
}
ALLOCATOR = "garbage_collection_threshold:0.6,max_split_size_mb:128"
ENVIRONMENT = [
    *("HOME=/home/webui", "XDG_CACHE_HOME=/dockerx/cache", "PYTHONUNBUFFERED=1", "LD_PRELOAD="),
    *("MIOPEN_USER_DB_PATH=/dockerx/cache/miopen", "MIOPEN_CUSTOM_CACHE_DIR=/dockerx/cache/miopen"),
    *(f"PYTORCH_HIP_ALLOC_CONF={ALLOCATOR}", f"PYTORCH_CUDA_ALLOC_CONF={ALLOCATOR}"),
]
COMMAND = "--skip-prepare-environment --skip-version-check --no-download-sd-model --listen --port 7860 --api \
--data-dir /dockerx/webui_data --theme dark"
LOG_OPTIONS = {"max-file": "3", "max-size": "10m"}
MODELS = "dockerx/webui_data/models/Stable-diffusion"
DIRECTORIES = ["dockerx", "dockerx/cache", "dockerx/webui_data", "dockerx/webui_data/models", MODELS]
PACKAGES = ["firmware-amd-graphics", "docker.io", "apparmor", "iptables"]


@dataclass(frozen=True)
class Host:
    """A host of the lab, or an alias of one: its name and its variables of the inventory, the group's included."""

    name: str
    variables: dict[str, Any]

    @property
    def known_hosts(self) -> Path:
        """`navilab lab up` puts it beside the key."""
        return Path(self.variables["ansible_ssh_private_key_file"]).with_name("known_hosts")


def read(inventory: Path) -> list[Host]:
    """The hosts of an inventory that `navilab lab up` wrote."""
    group = yaml.safe_load(inventory.read_text(encoding="utf-8"))["lab"]
    group["vars"]["ansible_ssh_common_args"] += f" -o KexAlgorithms={KEY_EXCHANGE}"
    return [Host(name, group["vars"] | own) for name, own in group["hosts"].items()]


def many_names(hosts: list[Host]) -> None:
    """Let each host take the logins of all its names at once: sshd drops some where more than ten are on their way."""
    script = "echo MaxStartups 200 >/etc/ssh/sshd_config.d/bench.conf && systemctl reload ssh"
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        config = Path(directory) / "ssh_config"
        _write(config, "".join(map(_ssh, hosts)))
        for host in hosts:
            command = ["ssh", "-F", str(config), host.name, f"sudo sh -c {shlex.quote(script)}"]
            subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


def aliases(hosts: list[Host], count: int) -> list[Host]:
    """`count` names, in turn for each host."""
    return [Host(f"alias-{n:03}", hosts[n % len(hosts)].variables) for n in range(count)]


def write(hosts: list[Host], directory: Path, group_vars: Path) -> None:
    """inventory/ for Ansible, pyinfra.json, ssh_config, and NAME.read.sh and NAME.first.sh for bare ssh.

    Each alias has a ControlPath of its own: Ansible makes it from the address, which aliases share.
    """
    (directory / "inventory").mkdir(parents=True)
    (directory / "inventory" / "group_vars").symlink_to(group_vars.resolve())
    inventory = {
        host.name: host.variables
        | {"ansible_control_path": f"%(directory)s/{host.name}", "webui_models": [_model(host)]}
        for host in hosts
    }
    _write(directory / "inventory" / "hosts.yml", yaml.safe_dump({"lab": {"hosts": inventory}}, sort_keys=False))
    _write(directory / "pyinfra.json", json.dumps([[host.name, _pyinfra(host)] for host in hosts]))
    _write(directory / "ssh_config", "".join(_ssh(host) for host in hosts))
    for host in hosts:
        variables = "".join(f"{key}={shlex.quote(value)}\n" for key, value in _shell(_site(host)).items())
        for script in ("read", "first"):
            text = (Path(__file__).parent / "ssh" / f"{script}.sh").read_text(encoding="utf-8")
            _write(directory / f"{host.name}.{script}.sh", variables + text)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _model(host: Host) -> dict[str, Any]:
    """The lab's model as an entry of webui_models, with its size, as a user's has."""
    content = (path := Path(host.variables["navilab_lab_model"])).read_bytes()
    return {"name": path.name, "src": str(path), "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def _site(host: Host) -> dict[str, Any]:
    """The end state of a host, said once for pyinfra's deploy and for the bare commands."""
    variables = host.variables
    suite, user = variables["navilab_lab_suite"], variables["ansible_user"]
    flag, environment = BOARDS[variables["navilab_lab_board"]]
    return {
        "user": user,
        "home": f"/home/{user}",
        "groups": ["video", "render"],
        "component": "non-free" if suite == "bullseye" else "non-free-firmware",
        "packages": [*PACKAGES, *(["docker-cli"] if suite == "trixie" else [])],
        "daemon_json": json.dumps({"log-driver": "json-file", "log-opts": LOG_OPTIONS}, indent=2) + "\n",
        "registry": variables["navilab_lab_registry"],
        "registry_ca": Path(variables["navilab_lab_registry_ca_file"]).read_text(encoding="utf-8").rstrip("\n"),
        "directories": DIRECTORIES,
        "model": variables["navilab_lab_model"],
        "model_directory": MODELS,
        "container": {
            "name": "webui",
            "image": variables["navilab_lab_webui_image"],
            "user": "1000:1000",
            "command": [*COMMAND.split(), flag, "--no-half-vae", "--opt-sub-quad-attention"],
            "env": [*ENVIRONMENT, *environment],
            "devices": ["/dev/kfd", "/dev/dri/renderD128"],
            "volumes": [f"/home/{user}/dockerx:/dockerx"],
            "tmpfs": ["/tmp", "/home/webui"],  # noqa: S108  the container's own
            "listen": "127.0.0.1:7860",
            "memory_mib": 1024,
            "shm_mib": 1024,
            "restart_policy": "unless-stopped",
            "log_options": LOG_OPTIONS,
        },
    }


def _pyinfra(host: Host) -> dict[str, Any]:
    """Data of a host as pyinfra's connector and bench/pyinfra/deploy.py want it."""
    return {
        "ssh_hostname": host.variables["ansible_host"],
        "ssh_port": host.variables.get("ansible_port", 22),
        "ssh_user": host.variables["ansible_user"],
        "ssh_key": host.variables["ansible_ssh_private_key_file"],
        "ssh_known_hosts_file": str(host.known_hosts),
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
        "ssh_connect_retries": 10,  # sshd refuses some of many aliases that connect at once
        "ssh_connect_retry_min_delay": 0.1,
        "ssh_connect_retry_max_delay": 0.5,
        "site": _site(host),
    }


def _ssh(host: Host) -> str:
    """A section of ssh_config."""
    options = {
        "HostName": host.variables["ansible_host"],
        "Port": host.variables.get("ansible_port", 22),
        "User": host.variables["ansible_user"],
        "IdentityFile": json.dumps(host.variables["ansible_ssh_private_key_file"]),
        "UserKnownHostsFile": json.dumps(str(host.known_hosts)),
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        "KexAlgorithms": KEY_EXCHANGE,
    }
    return f"Host {host.name}\n" + "".join(f"    {key} {value}\n" for key, value in options.items())


def _shell(site: dict[str, Any]) -> dict[str, str]:
    """The end state as variables of bench/ssh/*.sh."""
    container = site["container"]
    arguments = [
        *(f"--name={container['name']}", f"--user={container['user']}", f"--publish={container['listen']}:7860"),
        *(f"--volume={volume}" for volume in container["volumes"]),
        *(f"--env={variable}" for variable in container["env"]),
        *(f"--device={device}" for device in container["devices"]),
        *(f"--tmpfs={path}:rw,exec,nosuid,nodev,mode=1777" for path in container["tmpfs"]),
        *(f"--log-opt={key}={value}" for key, value in container["log_options"].items()),
        *("--log-driver=json-file", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true"),
        *(f"--memory={container['memory_mib']}m", f"--shm-size={container['shm_mib']}m", "--stop-signal=SIGINT"),
        f"--restart={container['restart_policy']}",
    ]
    model = Path(site["model"])
    return {
        "USER_NAME": site["user"],
        "HOME_DIRECTORY": site["home"],
        "PACKAGES": " ".join(site["packages"]),
        "COMPONENT": site["component"],
        "DAEMON_JSON": site["daemon_json"],
        "REGISTRY": site["registry"],
        "REGISTRY_CA": site["registry_ca"],
        "DIRECTORIES": " ".join(site["directories"]),
        "MODEL_PATH": f"{site['model_directory']}/{model.name}",
        "MODEL_BASE64": base64.b64encode(model.read_bytes()).decode(),
        "IMAGE": container["image"],
        "NAME": container["name"],
        "LISTEN": container["listen"],
        "RUN_ARGUMENTS": shlex.join(arguments),
        "COMMAND": shlex.join(container["command"]),
    }
