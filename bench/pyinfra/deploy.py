"""The end state of site.yml, as a user of pyinfra would write it: its operations, and facts where those don't compare.

Left out: python3-requests (Ansible's modules alone need it), our records, the self-test. A second run changes nothing.
"""

from __future__ import annotations

import shlex
from io import StringIO
from pathlib import Path
from typing import Any

from pyinfra import config, host
from pyinfra.facts.apt import AptSources
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.docker import DockerContainer
from pyinfra.facts.server import Command
from pyinfra.operations import apt, docker, files, server, systemd

config.SUDO = True
site: dict[str, Any] = host.data.site
container: dict[str, Any] = site["container"]
user, home = site["user"], site["home"]

# Firmware: its component beside main, from the same mirrors; none of it ever came by the security archive.
for source in host.get_fact(AptSources):
    if source.type == "deb" and "main" in source.components and not source.distribution.endswith("-security"):
        options = " ".join(f"{key}={value}" for key, value in source.options.items())
        apt.repo(
            name=f"The firmware's component of {source.distribution}",
            src=f"deb {f'[{options}] ' if options else ''}{source.url} {source.distribution} {site['component']}",
            filename="navilab-firmware",
        )

# The settings come before the engine, so that it starts with them.
daemon = files.put(
    name="The engine's settings",
    src=StringIO(site["daemon_json"]),
    dest="/etc/docker/daemon.json",
    user="root",
    group="root",
    mode="644",
)
files.put(
    name="The registry's certificate",
    src=StringIO(site["registry_ca"]),
    dest=f"/etc/docker/certs.d/{site['registry']}/ca.crt",
    user="root",
    group="root",
    mode="644",
)

installed = host.get_fact(DebPackages)
missing = [package for package in site["packages"] if package not in installed]
apt.packages(
    name="All packages in one transaction", packages=site["packages"], update=bool(missing), no_recommends=True
)

for group in site["groups"]:
    server.group(name=f"Group {group}", group=group, system=True)
server.user(name="The user's groups", user=user, groups=site["groups"], append=True, create_home=False)

systemd.service(name="Docker runs, and starts at boot", service="docker", running=True, enabled=True)
if "docker.io" in installed:
    systemd.service(
        name="Docker starts again with other settings", service="docker", restarted=True, _if=daemon.did_change
    )

for directory in site["directories"]:
    files.directory(name=f"Directory {directory}", path=f"{home}/{directory}", user=user, group=user, mode="755")
files.put(
    name="The model",
    src=site["model"],
    dest=f"{home}/{site['model_directory']}/{Path(site['model']).name}",
    user=user,
    group=user,
    mode="644",
)

docker.image(name="The image", image=container["image"])

# docker.container compares nothing but the name.
gids = host.get_fact(Command, "getent group " + " ".join(site["groups"]) + " | cut -d: -f3").split()
found = host.get_fact(DockerContainer, object_id=container["name"])


def differs(inspected: dict[str, Any]) -> bool:
    """Whether a container is not what is wanted, by `docker inspect`."""
    settings, limits = inspected["Config"], inspected["HostConfig"]
    bound = [f"{b['HostIp']}:{b['HostPort']}" for b in (limits["PortBindings"] or {}).get("7860/tcp", [])]
    return not (
        settings["Image"] == container["image"]
        and settings["User"] == container["user"]
        and settings["Cmd"] == container["command"]
        and set(container["env"]) <= set(settings["Env"])
        and [device["PathOnHost"] for device in limits["Devices"] or []] == container["devices"]
        and sorted(limits["GroupAdd"] or []) == sorted(gids)
        and bound == [container["listen"]]
        and limits["Memory"] == container["memory_mib"] * 2**20
        and limits["ShmSize"] == container["shm_mib"] * 2**20
        and limits["RestartPolicy"]["Name"] == container["restart_policy"]
        and limits["ReadonlyRootfs"]
        and limits["CapDrop"] == ["ALL"]
        and [volume.removesuffix(":rw") for volume in limits["Binds"]] == container["volumes"]
        and limits["LogConfig"] == {"Type": "json-file", "Config": container["log_options"]}
    )


wrong = bool(found) and differs(found[0])
arguments = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--stop-signal=SIGINT"]
arguments += [f"--tmpfs={path}:rw,exec,nosuid,nodev,mode=1777" for path in container["tmpfs"]]
arguments += [f"--device={device}" for device in container["devices"]] + [f"--group-add={gid}" for gid in gids]
arguments += [f"--shm-size={container['shm_mib']}m", "--log-driver=json-file"]
arguments += [f"--log-opt={key}={value}" for key, value in container["log_options"].items()]
docker.container(
    name="The container",
    container=container["name"],
    image=container["image"],
    user=container["user"],
    ports=[f"{container['listen']}:7860"],
    volumes=container["volumes"],
    env_vars=container["env"],
    restart_policy=container["restart_policy"],
    memory=f"{container['memory_mib']}m",
    command=shlex.join(container["command"]),
    extra_args=arguments,
    force=wrong,
)
if not found or wrong or not found[0]["State"]["Running"]:
    address = f"http://{container['listen']}/sdapi/v1/sd-models"
    answers = shlex.quote(f"import urllib.request as u; u.urlopen('{address}', timeout=5)")
    server.shell(
        name="The webui answers",
        commands=[f"for n in $(seq 300); do python3 -c {answers} 2>/dev/null && exit; sleep 0.3; done; exit 1"],
    )
