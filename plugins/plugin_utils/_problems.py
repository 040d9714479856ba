# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops a host beside the checks of a run's end: ids of a connection, a plan or a role, each with its usual cause
and what usually helps; a plan has some checks' ids for causes of its own. A failure's own message says more. The page
about the checks is made from it and from CHECKS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Problem(NamedTuple):
    """Its usual cause, and what to do."""

    cause: str
    remedy: str


_SAYS = "the message says which"
CHAPTERS: Mapping[str, Mapping[str, Problem]] = {
    "Before Ansible can work": {
        "reachable": Problem(
            "the host is down, or the connection is none of ssh's", f"network, `ansible_host`; {_SAYS}"
        ),
        "ssh": Problem("ssh fails", f"network, key, `ansible_host`; {_SAYS}"),
        "become": Problem(
            "the account can't become root: a password is asked for, it is not in sudoers, there is no sudo",
            "`-K`, `ansible_become_password`, `ansible_become_method`",
        ),
        "python": Problem(
            "no Python 3.9 or newer on the host", "`apt-get install python3`, or `ansible_python_interpreter`"
        ),
        "remote_tmp": Problem(
            "nothing can be written or started where Ansible puts its files: full, read-only, noexec, a home on NFS",
            "`ansible_remote_tmp`",
        ),
        "host_busy": Problem("another run is at work on this host", "wait for its end; the message says whose it is"),
        "recording": Problem("a file is no recording, or is to be changed as if it were a host", _SAYS),
    },
    "Variables": {
        "variables": Problem(
            "variables have a wrong type, no value, or an old name; all of all roles are named together", _SAYS
        ),
        "user_exists": Problem("`navilab_user` is no account there", "make it, or name another"),
        "user_not_root": Problem("`navilab_user` is root", "name another account; `ansible_user` may stay root"),
        "port_free": Problem("another program has the port", "`webui_port`"),
        "container_name": Problem("a container of that name is not ours", "rename it, or set `webui_name`"),
        "profile_known": Problem("there is no profile of the name in `webui_profile`", f"`auto`; {_SAYS}"),
        "profile_fits": Problem(
            "the profile has no code for the board, or its image needs what the host has not (a UID, an engine without "
            "`userns-remap`)",
            f"`auto`; {_SAYS}",
        ),
    },
    "Packages": {
        "apt_usable": Problem(
            "apt refuses a source (malformed, two keys for one archive, a signature), or can't read one (a disc)",
            "mend or comment it out",
        ),
        "packages_configured": Problem(
            "packages that an earlier use of dpkg left half done",
            "`dpkg --configure -a`; the message has the cause for a driver of DKMS's",
        ),
        "packages_held": Problem(
            "a hold on a package that is to come in or to change, installed or not",
            "`apt-mark unhold`, if nobody needs it any more",
        ),
        "packages_kept": Problem(
            "apt would remove or change what did not come from here (`containerd.io` under Kubernetes, `pve-firmware`)",
            "the message says which, and another way",
        ),
        "packages_available": Problem(
            "no source has a package, or none is Debian's archive of the release", "add the archive; `apt-cache policy`"
        ),
        "bundle": Problem(
            "what `navilab_bundle` names is no bundle, is not whole or damaged, or has not got what is wanted",
            "copy it again, or make it again by the playbook `bundle`",
        ),
    },
    "Driver and reboot": {
        "reboot_required": Problem(
            "a board waits for a reboot that nobody has allowed", "`navilab_reboot_ok: true`, or reboot, then run again"
        ),
        "amdgpu_archive": Problem(
            "AMD's archive or its key is not what it should be, another release is among the sources, or apt refuses "
            "its signature",
            _SAYS,
        ),
        "amdgpu_dkms_release": Problem(
            "no release is known good here", "the kernel's own driver (`amdgpu_dkms_state: absent`), or name a release"
        ),
        "amdgpu_dkms_rollback": Problem(
            "AMD's driver did not load or lost a board, and was taken back",
            "the kernel's own driver (`amdgpu_dkms_state: absent`), or name another release",
        ),
        "dkms_build": Problem(
            "AMD's driver does not build",
            "the message names the cause; the kernel's own driver: `amdgpu_dkms_state: absent`",
        ),
        "dkms_install": Problem(
            "AMD's driver does not install",
            "the message names the cause; the kernel's own driver: `amdgpu_dkms_state: absent`",
        ),
        "dkms_tree": Problem("the short path is somebody else's", "`amdgpu_dkms_tree_path`"),
    },
    "Engine, registry and images": {
        "docker_config": Problem(
            "`daemon.json` can't be read, or dockerd would not start with it and its unit's flags",
            "the message has dockerd's words",
        ),
        "docker_repository": Problem(
            "the repository's key has another fingerprint, or your own source of it lacks `stable`", _SAYS
        ),
        "builder_reachable": Problem(
            "the machine that builds the image does not answer (any more)",
            "see that it answers to ssh, or name another `image_builder`",
        ),
        "image_build": Problem("a step of the build failed, or its end left nothing to take", _SAYS),
        "base_image": Problem("no Python for the profile in that Debian", _SAYS),
        "source_available": Problem(
            "a source of the image can't be had", "the message names it; another address in `image_...`"
        ),
        "source_commit": Problem(
            "a source of the image has no such commit", "the message names it; another commit in `image_...`"
        ),
        "image_reference": Problem("a profile has no image, or its reference is wrong", _SAYS),
        "image_available": Problem("the registry has no such image, or its digest is wrong", _SAYS),
        "image_whole": Problem(
            "the engine's copy of an image, or the registry's, is damaged, and could not be mended since others use it",
            "`docker image rm`, then `site`, which pulls it again",
        ),
        "registry_reachable": Problem("the registry is down, or its certificate is not trusted", _SAYS),
        "registry_port": Problem("a port of the lab's registry is taken", _SAYS),
        "registry_serves": Problem("the lab's registry does not serve as its clients ask it", _SAYS),
        "model_available": Problem(
            "no address has a model", "correct `webui_models`; what has come of it is taken up again"
        ),
        "model_checksum": Problem("what came is another file than the model", "correct `webui_models`"),
    },
    "Webui, gateway, metrics and pull": {
        "webui_upgrade": Problem(
            "a new image did not get ready or failed its self-test, so the host keeps the old one; or there is none to "
            "roll back to",
            "name another image, or mend it; `upgrade` tries it again",
        ),
        "gateway_port": Problem("the gateway's port is taken", f"`gateway_port`; {_SAYS}"),
        "gateway_configuration": Problem(
            "nginx does not take its settings", f"{_SAYS}; what was there before is in use"
        ),
        "gateway_ca_host": Problem(
            "the host in `gateway_ca_host` has no CA yet, or a host's own run does not reach it",
            "run `site` for that host, too; from a controller",
        ),
        "metrics_port": Problem("the node exporter's port is taken", "`metrics_port`, or stop what listens there"),
        "metrics_shown": Problem(
            "the node exporter does not show what the timer writes: it reads another folder",
            f"{_SAYS}; `journalctl -u navilab-metrics`",
        ),
        "pull_python": Problem(
            "a host that is to pull has no Python 3.11", "upgrade it to Debian 12 or newer, or leave it to a controller"
        ),
        "pull_calendar": Problem("systemd knows no such time", f"`pull_calendar`; {_SAYS}"),
        "pull_vault": Problem(
            "`pull_vault_password_file` is not there, or others than root read it", "bring it, of root with mode 0600"
        ),
        "pull_packages": Problem(
            "pip could not install Ansible on the host", f"a way to PyPI, or a mirror in `/etc/pip.conf`; {_SAYS}"
        ),
        "pull_self": Problem(
            "`pull_state` is absent in the host's own run, or what that runs with is not whole",
            "run `site` for this host from a controller",
        ),
    },
}
"""Problems by chapter of the page."""
PROBLEMS: Mapping[str, Problem] = {name: each for chapter in CHAPTERS.values() for name, each in chapter.items()}
PLANNED: Mapping[str, Problem] = {
    "selftest": Problem(
        "the image computes wrong numbers on this board, or hangs it; or its self-test can't be run",
        f"{_SAYS}; another profile, or `auto`; after a hang a reboot",
    ),
    "docker_engine": Problem(
        "what is there is no Docker Engine under systemd: Podman in its place, a snap, Docker Desktop, a rootless one",
        "the message says which, and how it goes; nothing of it is touched",
    ),
    "disk_space": Problem(
        "a file system has less than all that is to come to it, or than `preflight_min_disk_mib` where an image comes",
        "the message says what for, and what moves it; or lower `preflight_min_disk_mib`",
    ),
    "memory": Problem("the host has less memory than `preflight_min_memory_mib`", "lower that if you know better"),
    "gateway_login": Problem(
        "`webui_listen` is wider than 127.0.0.1, and no login is set, or one that is too short",
        "`gateway_user`, and `gateway_password` of 12 to 72 characters from a vault",
    ),
    "data_writable": Problem(
        "the data directory lies where root can't hand it over (NFS, CIFS, FUSE, NTFS), or is none of its own, or the "
        "user has no home",
        "another `webui_data_dir`; a waiver where root may write there",
    ),
}
"""Causes that a check of the run's end has before the change alone."""
