# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of what travels as data: a host's facts, and the checks over them.

A key is always there; None is what a host does not have or does not say. MiB are 2**20 bytes, times are seconds since
the epoch, modes are four octal digits ("0660"), a BDF is a PCI address ("0000:0a:00.0"), ids are lower-case hex digits
without 0x ("7340"). Python 3.9 has neither NotRequired nor Required, so optional keys stand in a class of their own.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Status = Literal["ok", "failed", "waived", "skipped"]
"""Of a check: waived is failed with a reason to live with it, skipped was not evaluated."""


class Check(TypedDict):
    """What one check says: what was seen, what to do where it failed, a warning, and why it was waived or skipped."""

    id: str
    status: Status
    evidence: str
    remedy: str
    note: str
    reason: str


class SelftestVerdict(TypedDict):
    """A self-test's result as a check's verdict: a Check without its id."""

    status: Status
    evidence: str
    remedy: str
    note: str
    reason: str


# -- what is asked of the checks ----------------------------------------------------------------------------------


class _WantedWebui(TypedDict):
    name: str
    port: int


class WantedWebui(_WantedWebui, total=False):
    """A webui that the checks are about. No `devices`: it uses no board; None or absent: those of the first board.
    `data_dir` is the host's, `writes` what this one writes below it (absent: what the only one does). `tcmalloc`: it
    is to be preloaded; `egress` is deny where it may begin no connection."""

    listen: str | None
    data_dir: str | None
    writes: list[str]
    uid: int | None
    devices: list[str] | None
    image: str | None
    selftest: SelftestVerdict | None
    tcmalloc: bool
    egress: str


class WantedGateway(TypedDict):
    """The gateway that the checks are about: the name that it is asked by, and its port."""

    name: str
    port: int


class DiskNeed(TypedDict):
    """How many MiB are to come to a path, what for, and what makes room. On one file system needs add up, but of those
    of one `share` only the largest counts."""

    path: str
    mib: int
    what: str
    remedy: str
    share: str


class Wanted(TypedDict, total=False):
    """What evaluate() is to do. `scope` is of kfd, host, webui (kfd alone if absent); `only` are ids and overrules it.

    `waive` is id to reason, `disk` is what is needed where, or `disk_paths` are the paths to check (None: all that were
    gathered), sizes are MiB. `gpus` are the BDFs of the boards that are used; None: all but those that a guest holds.
    `groups` are those of the user beyond video and render. `amdgpu_dkms`: AMD's driver is wanted (None or absent: it is
    where our record says that it came in).
    """

    scope: list[str]
    only: list[str] | None
    waive: dict[str, str]
    user: str | None
    groups: list[str]
    amdgpu_dkms: bool | None
    webuis: list[WantedWebui]
    gateway: WantedGateway | None
    gpus: list[str] | None
    disk: list[DiskNeed] | None
    disk_paths: list[str] | None
    min_disk_mib: int | None
    min_memory_mib: int | None
    zram_mib: int


# -- the system ---------------------------------------------------------------------------------------------------


class ReleaseFacts(TypedDict):
    """os-release(5): ID, VERSION_ID ("12"), VERSION_CODENAME, PRETTY_NAME; and the Debian beneath.

    `debian_codename` and `debian_version` ("12") are the release that the host is or is made of, None for none that is
    known. `neighbour` is None for Debian itself and what is no relative, else lmde, mx, proxmox, ubuntu, other, ...
    """

    id: str | None
    version_id: str | None
    codename: str | None
    pretty_name: str | None
    debian_codename: str | None
    debian_version: str | None
    neighbour: str | None


class KernelFacts(TypedDict):
    """The running kernel, and those that could be booted.

    `version` is [major, minor] or []; `flavour` is amd64, cloud-amd64, rt-amd64 or "" for none of Debian's; `installed`
    and `headers` are releases, newest last; `pending` came after this boot; `secure_boot` is the firmware's variable,
    None without UEFI; `lockdown` is none, integrity or confidentiality; `signatures_enforced`: the kernel takes no
    module that nobody signed (None where nothing tells).
    """

    release: str | None
    version: list[int]
    flavour: str
    arch: str
    installed: list[str]
    pending: str | None
    headers: list[str]
    secure_boot: bool | None
    lockdown: str | None
    signatures_enforced: bool | None


class Memory(TypedDict):
    """/proc/meminfo in MiB."""

    total_mib: int | None
    available_mib: int | None
    swap_mib: int | None


class Disk(TypedDict):
    """The file system of a path in MiB, for an unprivileged writer; `path_seen` is the nearest parent that exists.

    `fstype` is the kernel's name of its kind (ext4, nfs4, fuse.sshfs); paths of one `pool` share their space.
    """

    path_seen: str | None
    total_mib: int | None
    free_mib: int | None
    read_only: bool | None
    fstype: str | None
    pool: str | None


class FileFacts(TypedDict):
    """A path, links not followed; kind is file, dir, link, char or other; size in bytes; sha256 up to 1 MiB."""

    exists: bool
    kind: str | None
    mode: str | None
    uid: int | None
    gid: int | None
    size: int | None
    mtime: float | None
    sha256: str | None


class User(TypedDict):
    """The lab user: group names (the primary one first); `needs_login` where a session lacks a GPU group by now."""

    name: str
    exists: bool
    uid: int | None
    gid: int | None
    home: str | None
    primary_group: str | None
    groups: list[str]
    needs_login: bool


# -- packages -----------------------------------------------------------------------------------------------------


class Package(TypedDict):
    """A package of dpkg's; installed means fully, and a hold may be on one that is not."""

    installed: bool
    version: str | None
    held: bool


class Dpkg(TypedDict):
    """The packages asked for, whether a run was interrupted, and the names that it left unfinished."""

    packages: dict[str, Package]
    interrupted: bool
    broken: list[str]


class AptSourceFields(TypedDict):
    """A source as its file says it; format is one-line or deb822, options have their deb822 names."""

    format: str
    enabled: bool
    types: list[str]
    uris: list[str]
    suites: list[str]
    components: list[str]
    options: dict[str, str]


class AptSource(AptSourceFields):
    """A source and the path of its file."""

    file: str


class AptArchive(TypedDict):
    """What the Release file in APT's lists says of a suite at an address; none for what APT has not read."""

    uri: str
    suite: str
    origin: str
    label: str
    codename: str


class Apt(TypedDict):
    """Sources in APT's order, the archives behind them; error says what APT would refuse, "" if nothing."""

    sources: list[AptSource]
    archives: list[AptArchive]
    error: str


class ModuleInfo(TypedDict):
    """modinfo(8) of a module's file; signer is the common name of who signed."""

    version: str | None
    srcversion: str | None
    vermagic: str | None
    signed: bool | None
    signer: str | None


class DkmsTree(TypedDict):
    """Where DKMS's tree is: as configured (file is None for the default) and really.

    kind is missing, symlink, bind or directory; fstab: it is mounted there; believable: no symlink misleads DKMS.
    """

    path: str
    file: str | None
    real: str | None
    kind: str
    fstab: bool
    believable: bool


class DkmsFile(TypedDict):
    """A module that was built beside the file (path) that its kernel would load; same: they are one."""

    name: str
    path: str | None
    version: str | None
    signed: bool | None
    same: bool


class DkmsBuild(TypedDict):
    """A finished build; linked is DKMS's own mark, installed the truth."""

    version: str
    kernel: str
    arch: str
    linked: bool
    files: list[DkmsFile]
    installed: bool


class DkmsCause(TypedDict):
    """A known cause of a failed build; KERNEL in the remedy stands for the kernel's release."""

    id: str
    meaning: str
    remedy: str


class DkmsExplanation(TypedDict):
    """What a make.log says: known causes, and the lines that matter."""

    causes: list[DkmsCause]
    lines: list[str]


class DkmsFailure(DkmsExplanation):
    """A build that did not finish; log is the path of its make.log."""

    version: str
    kernel: str | None
    log: str


class DkmsModule(TypedDict):
    """A module; versions are those that are registered, newest last. failures may be of others too."""

    name: str
    versions: list[str]
    builds: list[DkmsBuild]
    failures: list[DkmsFailure]


class DkmsStatus(TypedDict):
    """A line of `dkms status`."""

    module: str
    version: str
    kernel: str | None
    arch: str | None
    state: str
    note: str


class Dkms(TypedDict):
    """DKMS without running it; leftovers are paths of AMD's modules that no build accounts for."""

    present: bool
    drop_ins: bool
    tree: DkmsTree
    modules: list[DkmsModule]
    leftovers: list[str]


# -- the board and its driver -------------------------------------------------------------------------------------


class Board(TypedDict):
    """An AMD display device. source is pci, or kfd where the PCI bus does not show it.

    `supported` is False with an `unsupported_reason`; `held_by` is the driver that keeps it for a virtual machine, None
    where none does; `vram_mib` in MiB; `kfd_node` is the index of its KFD node;
    `mec_fw_loaded` the version of the compute firmware that runs; `atomics`: PCIe atomics reach the processor.
    """

    bdf: str
    source: str
    vendor_id: str
    device_id: str | None
    subsystem: str | None
    revision: str | None
    name: str
    chip: str | None
    gfx_target: str | None
    supported: bool
    unsupported_reason: str
    integrated: bool
    driver: str | None
    held_by: str | None
    card_node: str | None
    render_node: str | None
    vram_mib: int | None
    kfd_node: int | None
    mec_fw_loaded: int | None
    atomics: bool | None
    atomics_evidence: str


class PciDevice(TypedDict):
    """An AMD display device on the PCI bus; path is its directory in sysfs, None for one known to KFD alone."""

    bdf: str
    path: str | None
    vendor_id: str
    device_id: str | None
    subsystem: str | None
    revision: str | None
    driver: str | None
    held_by: str | None


class ModuleFile(ModuleInfo):
    """The file that the running kernel would load; since_boot: it came after the boot."""

    path: str
    since_boot: bool


class Driver(TypedDict):
    """The module amdgpu; amdgpu-dkms alone has a version. blacklisted are the files and arguments that keep it out,
    options what modprobe.d(5) and the kernel's arguments give it, as NAME=VALUE."""

    loaded: bool
    initstate: str | None
    version: str | None
    srcversion: str | None
    on_disk: ModuleFile | None
    in_tree: bool | None
    blacklisted: list[str]
    options: list[str]


class KernelLogLines(TypedDict):
    """Lines of the kernel log by what they are about, the newest last, at most 20 each."""

    resets: list[str]
    atomics_rejected: list[str]
    firmware_failed: list[str]
    kfd_errors: list[str]
    oom_kills: list[str]


class KernelLog(KernelLogLines):
    """The lines, and whether the log could be read at all: by root alone."""

    readable: bool


class Firmware(TypedDict):
    """Files that the supported boards need, by name below amdgpu/; shadowed are the paths that hide Debian's.

    `mec_on_disk` is the first board's version of `mec_by_board`, by BDF. `since_boot`: a file came after the boot.
    """

    directory: str | None
    needed: list[str]
    missing: list[str]
    shadowed: list[str]
    mec_on_disk: int | None
    mec_by_board: dict[str, int | None]
    initrd_stale: bool | None
    since_boot: bool | None


class DeviceNode(TypedDict):
    """A device node and who may open it; char: it is a character device; group is the name of gid."""

    path: str
    exists: bool
    char: bool
    mode: str | None
    uid: int | None
    gid: int | None
    group: str | None


class DrmNode(TypedDict):
    """A node of /dev/dri; kind is card or render."""

    path: str
    kind: str
    exists: bool
    mode: str | None
    uid: int | None
    gid: int | None
    group: str | None
    bdf: str | None


class KfdLink(TypedDict):
    """A link between two nodes, by index; kind is io or p2p, type 2 is PCIe and 11 xGMI, weight a relative distance."""

    kind: str
    node_from: int | None
    node_to: int | None
    type: int | None
    weight: int | None
    flags: int | None
    atomics_32: bool | None
    atomics_64: bool | None


class KfdNode(TypedDict):
    """A node of KFD's topology; only a GPU that KFD took has simd_count > 0. See kfd_info for each key."""

    index: int
    gpu_id: int | None
    name: str
    cpu_cores_count: int
    simd_count: int
    compute_units: int
    bdf: str | None
    vendor_id: str | None
    device_id: str | None
    gfx_target: str | None
    gfx_target_source: str | None
    vram_mib: int | None
    render_minor: int | None
    fw_version: int | None
    readable: bool
    links: list[KfdLink]
    problems: list[str]


class KfdTopology(TypedDict):
    """KFD's topology in sysfs: its path, None where there is none."""

    topology: str | None
    generation_id: int | None
    nodes: list[KfdNode]


class KfdOpen(TypedDict):
    """What opening /dev/kfd gave; errno is a name such as EACCES. Not known of a recorded tree."""

    known: bool
    ok: bool
    errno: str | None
    error: str


class KfdAnswers(TypedDict):
    """What /dev/kfd answers: its interface ("1.11") and the gpu_id of each GPU that this process may use."""

    open: KfdOpen
    ioctl_version: str | None
    apertures: list[int] | None
    ioctl_error: str


class Kfd(KfdTopology, KfdAnswers):
    """KFD: the device node, the topology, and the driver's answers."""

    device: DeviceNode


# -- the engine and the webui -------------------------------------------------------------------------------------


class NodeAccess(TypedDict):
    """A device node as a container's first process sees it."""

    exists: bool
    same_as_host: bool
    rw: bool


class Access(TypedDict):
    """Who a container's first process is, in numbers, and which nodes (by path in the container) it can open."""

    uid: int
    gid: int
    groups: list[int]
    devices: dict[str, NodeAccess]


class PublishedPort(TypedDict):
    """A port that the engine publishes; 0 where it names none."""

    host_ip: str
    host_port: int
    container_port: int


class Container(TypedDict):
    """A container as the engine describes it; memory is the limit in bytes, 0 for none; pid is 0 if it is not running.

    `access` is None where it is not running, or where its process can't be read.
    """

    id: str | None
    image: str | None
    image_id: str | None
    state: str | None
    health: str
    started_at: str | None
    exit_code: int | None
    error: str
    oom_killed: bool
    restart_count: int
    labels: dict[str, Any]
    user: str
    restart_policy: str
    memory: int
    network_mode: str
    ports: list[PublishedPort]
    devices: list[str]
    group_add: list[Any]
    read_only: bool
    privileged: bool
    pid: int
    access: Access | None


class ContainerGuard(TypedDict):
    """How a container is confined. `memory_swap` limits memory and swap together, in bytes (0 for none,
    -1 for as much as there is), `pids_limit` that of processes, 0 for none; `oom_kills` counts what the kernel has
    killed in it since its last start, `oom_noted` is the engine's own word on that, also of before; `tcmalloc` is the
    file that its Python has mapped, "" for none."""

    memory_swap: int
    pids_limit: int
    networks: list[str]
    oom_kills: int | None
    oom_noted: bool
    tcmalloc: str | None


class Guard(TypedDict):
    """`containers` are the webuis', `limits` what the engine can limit (swap, pids), `bridge` that of our network, None
    where there is none. `rules` is our table as nft lists it, "" where it is not loaded and None where that is not
    known; `refused` are its packets. `zram_mib` is the size of our compressed swap, None where it is not in use."""

    containers: dict[str, ContainerGuard | None]
    limits: dict[str, bool]
    bridge: str | None
    rules: str | None
    refused: int | None
    zram_mib: int | None


class Image(TypedDict):
    """An image in the engine; size in bytes."""

    id: str | None
    digests: list[str]
    size: int | None


class DockerUnit(TypedDict):
    """docker.service. load, active and enabled are systemd's LoadState, ActiveState and UnitFileState, "" if not known.

    `masked` are the units of the engine that are masked, `paths` the unit's files. `arguments` is what dockerd is
    started with, without logins, None where that is not known; `environment` names the file that a variable comes
    from; newer: one of the files is newer than the engine that runs.
    """

    load: str
    active: str
    enabled: str
    masked: list[str]
    paths: list[str]
    arguments: list[str] | None
    environment: dict[str, str]
    newer: bool


class OtherEngine(TypedDict):
    """What calls itself Docker and is no engine of this host's systemd: kind is snap, podman, desktop, rootless,
    binary, socket or process; evidence says where it was seen; answers: it is what the socket leads to."""

    kind: str
    evidence: str
    answers: bool


class Docker(TypedDict):
    """The engine. provider is docker.io, docker-ce or other; config is daemon.json (config_file) without secrets, None
    where dockerd could not read it, and config_error says why; root is where the engine writes, containerd_root where
    it keeps images that are left to containerd, graph_driver what it has kept them with by itself.

    `components` and `platform` are what it calls itself. `others` are engines that the roles can't set up. `containers`
    and `images` are those asked for, by name and reference; None for one that is not there.
    """

    installed: bool
    provider: str | None
    running: bool
    version: str | None
    api_version: str | None
    components: list[str]
    platform: str | None
    root_dir: str | None
    root: str
    containerd_root: str
    graph_driver: str
    error: str
    config_file: str
    config: dict[str, Any] | None
    config_error: str
    unit: DockerUnit
    others: list[OtherEngine]
    restart_pending: bool
    foreign_containers: int
    containers: dict[str, Container | None]
    images: dict[str, Image | None]


class RegistryAnswer(TypedDict):
    """status is local, found, missing, unreachable, denied, invalid or unknown."""

    status: str
    detail: str
    digest: str | None


class PortFacts(TypedDict):
    """Addresses that are listened on at a port, and the name of the process, "" if hidden."""

    listeners: list[str]
    owner: str


class Http(TypedDict):
    """How a webui answers: status of its ping, number of models; ready is a ping below 500 and a model."""

    status: int | None
    ready: bool
    models: int | None
    error: str


class GatewayAnswer(TypedDict):
    """What a gateway says to who has no login; ends is when its certificate does, in seconds since the epoch."""

    status: int | None
    ends: float | None
    error: str


class Readiness(TypedDict):
    """How far a webui is: dead is "" or says why it will not get ready; log are its container's last lines.

    `state` is None where there is no container and "" where the engine can't be asked; restarts are the engine's,
    deaths those since the waiting began, died is when the container last ended (epoch seconds; 0 for never).
    """

    ready: bool
    dead: str
    models: int | None
    phase: str
    state: str | None
    restarts: int
    deaths: int
    died: float
    log: list[str]
    at: float


# -- what the host's programs say to an intended change -------------------------------------------------------------


class SourceFile(TypedDict):
    """A file of /etc/apt/sources.list.d, with its content."""

    path: str
    content: str


class AptQuestion(TypedDict):
    """A transaction that a role intends: packages to install (NAME or NAME=VERSION), and the source files that it would
    write before."""

    install: list[str]
    sources: list[SourceFile]


class AptAnswer(TypedDict):
    """What apt-get --simulate would do beside it: packages that would go away, those whose hold is in the way, those
    that no source has, packages that would change their version though nobody asked; error is apt's own refusal, or
    _sysfs.UNKNOWN where it could not be asked."""

    removed: list[str]
    held: list[str]
    missing: list[str]
    changed: list[str]
    error: str


class DockerdQuestion(TypedDict):
    """The text of the daemon.json that a role intends to write."""

    config: str


class DockerdAnswer(TypedDict):
    """Whether dockerd would start with it under the unit's own command line; None where it can't say; error is its."""

    valid: bool | None
    error: str


class Questions(TypedDict, total=False):
    """What a plan wants the host to be asked before it can be judged."""

    images: list[str]
    tags: list[str]
    apt: AptQuestion
    dockerd: DockerdQuestion


class AptAnswered(TypedDict):
    question: AptQuestion
    answer: AptAnswer


class DockerdAnswered(TypedDict):
    question: DockerdQuestion
    answer: DockerdAnswer


class Answers(TypedDict):
    """What was asked, each with its answer."""

    apt: list[AptAnswered]
    dockerd: list[DockerdAnswered]


class Lock(TypedDict):
    """The run of Ansible that is at work on the host. `who` started it, `machine`, `pid` and `start` tell its process;
    `since` and `seen` are seconds since the epoch, and `left_s` seconds from now it counts as dead."""

    run: str
    who: str
    machine: str
    pid: int
    start: int | None
    since: float
    seen: float
    left_s: float


# -- all of it ----------------------------------------------------------------------------------------------------


class Hardware(TypedDict):
    """The hardware side of a host's facts; groups are the numbers of video and render. `live` is the machine itself;
    `complete` is that or a recording of it: what is missing here is missing there."""

    root: str
    live: bool
    complete: bool
    release: ReleaseFacts
    kernel: KernelFacts
    boards: list[Board]
    driver: Driver
    kernel_log: KernelLog
    kfd: Kfd
    drm: list[DrmNode]
    firmware: Firmware
    groups: dict[str, int | None]
    problems: list[str]


class Facts(Hardware):
    """What host_info returns as `host`.

    `registry` is by image reference, `ports` and `gateways` by port ("7860"), `http` by webui, `files` and `disk` by
    path, `records` by role: what each noted in /var/lib/navilab. `addresses`: whether each IP address that was asked
    for is this host's, None for a name. `answers` is empty until plans ask. `lock` is null where no run of Ansible is
    at work, and in a recording. `problems` name what could not be read, as "path: what". `init` is the name of the
    first process. `clock` is the host's time when they were gathered, None in a recording.
    """

    init: str | None
    user: User | None
    apt: Apt
    dpkg: Dpkg
    dkms: Dkms
    docker: Docker
    guard: Guard
    registry: dict[str, RegistryAnswer]
    ports: dict[str, PortFacts]
    addresses: dict[str, bool | None]
    http: dict[str, Http]
    gateways: dict[str, GatewayAnswer]
    files: dict[str, FileFacts]
    disk: dict[str, Disk]
    memory: Memory
    records: dict[str, dict[str, Any]]
    lock: Lock | None
    clock: float | None
    answers: Answers
